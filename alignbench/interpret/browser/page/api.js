// Questions to the server. A newer question of the same part of the page ends the older one, so that no late answer is shown.
import { plural } from "./dom.js";

const FIRST_WAIT = 500, LONGEST_WAIT = 4000, SOON = 400, PATIENCE = 120_000; // milliseconds

/** A part of the page that asks one question at a time. */
export class Asker {
  #controller = new AbortController();

  /** End the question under way. */
  stop() {
    this.#controller.abort();
    this.#controller = new AbortController();
    return this.#controller.signal;
  }

  /** Ask, and give the answer to `show`, or the line of what went wrong to `fail`; neither when a newer question came. */
  async ask(address, show, fail, say = () => {}) {
    const signal = this.stop();
    try {
      const answer = await answered(address, { signal }, say);
      if (!signal.aborted) show(answer);
    } catch (error) {
      if (!signal.aborted) fail(error.message);
    } finally {
      if (!signal.aborted) say("");
    }
  }
}

/** The address of a question, with those of its settings that are not empty. */
export function address(path, settings = {}) {
  const given = Object.entries(settings).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

/** The answer of the server, tried again while it is busy; says so meanwhile. */
export async function answered(where, options = {}, say = () => {}) {
  const end = Date.now() + PATIENCE;
  for (let wait = FIRST_WAIT; ; wait = Math.min(2 * wait, LONGEST_WAIT)) {
    const watch = watched(say, options.signal);
    let answer;
    try {
      answer = await fetch(where, { credentials: "same-origin", ...options });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Error("The server does not answer: is the command that opened this page still running?");
    } finally {
      watch.end();
    }
    const told = await answer.json().catch(() => ({}));
    if (answer.ok) return told;
    if (answer.status !== 503 || Date.now() > end) throw new Error(told.error ?? refused(answer.status));
    say("The server is busy with other requests. Asking again …");
    await new Promise((resume) => setTimeout(resume, wait));
    options.signal?.throwIfAborted();
  }
}

function refused(status) {
  if (status === 401) return "This session is over: open the address that the command printed once more.";
  return `The server refuses this (${status}).`;
}

/** Say after a moment that the answer is on its way, and how many wait for the model. */
function watched(say, signal) {
  let timer = setTimeout(look, SOON);
  let over = false;
  async function look() {
    say("Working …");
    const told = await fetch("/api/busy", { signal }).then((answer) => answer.json()).catch(() => ({}));
    if (over) return;
    if (told.waiting > 1) say(`The model is at work: ${plural(told.waiting - 1, "request waits", "requests wait")} for it …`);
    else if (told.waiting) say("The model is loading or at work …");
    timer = setTimeout(look, 1000);
  }
  return { end: () => ((over = true), clearTimeout(timer)) };
}
