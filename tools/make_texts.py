"""Make the packaged pool of texts: short descriptions of what pictures may show, from our own words and templates.

    python tools/make_texts.py --output alignbench/assets/texts.txt --properties alignbench/assets/properties.yaml

Each group is an attribute of pictures: words, and templates that they are put into. The order is fixed, and a line
comes once. The properties that heads are labelled by have the same words.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import yaml


@dataclass(frozen=True)
class Group:
    """Words of a kind, separated by commas, and the templates that each of them is put into."""

    words: str
    templates: tuple[str, ...]

    def lines(self) -> Iterator[str]:
        for word in listed(self.words):
            for template in self.templates:
                yield article(template.format(word))


def listed(words: str) -> list[str]:
    return [" ".join(word.split()) for word in words.split(",")]


def article(line: str) -> str:
    """`a` before a vowel is `an`."""
    words = line.split()
    following = [*words[1:], ""]
    return " ".join(
        "an" if word == "a" and after.startswith(tuple("aeiou")) and not after.startswith(NO_VOWEL) else word
        for word, after in zip(words, following, strict=True)
    )


NO_VOWEL = ("uni", "eu", "one", "us")  # by their sound
COLOURS = (
    "red, orange, yellow, green, blue, purple, pink, brown, black, white, grey, beige, turquoise, golden, silver, "
    "maroon"
)
SHAPES = (
    "circle, triangle, square, star, cross, heart, diamond, ring, arrow, spiral, crescent, hexagon, pentagon, oval, "
    "cube, sphere, cone, cylinder, pyramid, rectangle"
)
TEXTURES = (
    "striped, dotted, checkered, woven, cracked, wrinkled, fluffy, smooth, rough, bumpy, glossy, rusty, marbled, "
    "grainy, scaly, furry, knitted, braided, perforated, frosted, mossy, sandy, bubbly, feathery, crystalline, "
    "cobwebbed, ribbed, quilted, speckled, veined, pleated, spotted, mottled, silky, prickly"
)
MATERIALS = (
    "wood, stone, brick, concrete, glass, steel, copper, brass, leather, paper, cardboard, plastic, rubber, wool, "
    "cotton, silk, velvet, denim, clay, porcelain, marble, granite, straw, bamboo, ice, snow, sand, mud, wax, rope, "
    "foam, chrome, cork, ivory, tin foil"
)
ANIMALS = (
    "dog, cat, horse, cow, sheep, goat, pig, rabbit, hamster, mouse, fox, wolf, bear, deer, moose, squirrel, "
    "hedgehog, bat, lion, tiger, leopard, elephant, giraffe, zebra, rhinoceros, hippopotamus, monkey, gorilla, "
    "kangaroo, koala, panda, camel, otter, seal, whale, dolphin, shark, trout, goldfish, eel, octopus, crab, "
    "lobster, jellyfish, starfish, snail, frog, toad, lizard, snake, crocodile, turtle, eagle, owl, crow, sparrow, "
    "parrot, penguin, swan, duck, goose, chicken, peacock, flamingo, butterfly, moth, bee, ant, beetle, ladybird, "
    "dragonfly, spider, scorpion, grasshopper"
)
PLACES = (
    "forest, desert, beach, mountain, valley, river, waterfall, lake, swamp, cave, glacier, volcano, island, "
    "meadow, vineyard, farm, village, harbour, city street, market, subway station, airport, train station, bridge, "
    "motorway, tunnel, castle, church, mosque, temple, monastery, museum, library, school, classroom, hospital, "
    "laboratory, factory, warehouse, office, kitchen, bathroom, bedroom, living room, attic, basement, garage, "
    "garden, park, playground, stadium, swimming pool, gym, theatre, concert hall, cinema, restaurant, cafe, "
    "bakery, supermarket, hotel lobby, prison, cemetery, lighthouse, windmill, dam, quarry, construction site, "
    "skate park, zoo, aquarium, greenhouse, courtroom, rooftop, alley, parking lot, petrol station, campsite, "
    "canyon, coral reef"
)
REGIONS = (
    "Paris, London, Rome, Berlin, Madrid, Lisbon, Vienna, Prague, Istanbul, Moscow, Cairo, Marrakesh, Nairobi, "
    "Lagos, Cape Town, Dubai, Mumbai, Delhi, Bangkok, Singapore, Hong Kong, Beijing, Tokyo, Kyoto, Seoul, Sydney, "
    "New York, Chicago, San Francisco, Toronto, Mexico City, Havana, Rio de Janeiro, Buenos Aires, Lima, Iceland, "
    "Norway, Scotland, Ireland, Switzerland, Greece, the Sahara, the Alps, the Arctic, the Amazon, Siberia, "
    "Mongolia, Nepal, Bali, Hawaii, Texas, Alaska, Tuscany, Provence, the Caribbean, Japan, India, Peru, Kenya, New "
    "Zealand"
)
WEATHER = (
    "fog, rain, a thunderstorm, snowfall, a blizzard, bright sunshine, an overcast sky, a rainbow, hail, a "
    "sandstorm, frost, mist over water, strong wind, lightning, a cloudy sunset, morning dew, a starry night, a "
    "full moon, the northern lights, dawn, dusk, midday heat, autumn leaves, spring blossom, deep winter, high "
    "summer, a solar eclipse"
)
ACTIONS = (
    "running, walking, jumping, dancing, swimming, diving, climbing, cycling, skiing, skating, surfing, sailing, "
    "rowing, fishing, hunting, cooking, eating, drinking, reading, writing, painting, drawing, singing, playing the "
    "guitar, playing the piano, playing football, playing chess, boxing, wrestling, stretching, sleeping, yawning, "
    "laughing, crying, shouting, whispering, hugging, shaking hands, waving, pointing, clapping, praying, shopping, "
    "gardening, sewing, knitting, welding, digging, sweeping, washing dishes, taking a photograph, talking on the "
    "phone, typing, driving, riding a horse, pushing a pram, carrying a box, throwing a ball, blowing out candles, "
    "brushing teeth"
)
PEOPLE = (
    "baby, toddler, girl, boy, teenager, woman, man, bride, groom, grandmother, grandfather, doctor, nurse, "
    "surgeon, teacher, student, chef, waiter, farmer, fisherman, soldier, sailor, pilot, police officer, "
    "firefighter, judge, scientist, astronaut, carpenter, mechanic, plumber, painter, sculptor, musician, "
    "conductor, ballerina, singer, actor, clown, magician, athlete, goalkeeper, cyclist, boxer, jockey, skier, "
    "tourist, hiker, shepherd, monk, priest, queen, knight, pirate, miner, lifeguard, barber, tailor, librarian, "
    "journalist"
)
EMOTIONS = (
    "happy, sad, angry, frightened, surprised, disgusted, bored, tired, proud, ashamed, calm, nervous, lonely, "
    "jealous, hopeful, confused, curious, excited, thoughtful, relaxed, grieving, amused, suspicious, determined, "
    "embarrassed"
)
MOODS = (
    "peace, melancholy, joy, danger, mystery, nostalgia, luxury, poverty, chaos, order, silence, loneliness, "
    "romance, celebration, mourning, tension, freedom, wonder, comfort, decay, growth, speed, balance, power, "
    "fragility"
)
FOOD = (
    "apple, banana, orange, lemon, strawberry, grape, cherry, pineapple, watermelon, tomato, carrot, potato, onion, "
    "head of garlic, cabbage, pumpkin, mushroom, bell pepper, corn cob, loaf of bread, croissant, pancake, pizza, "
    "hamburger, sandwich, bowl of salad, bowl of soup, sushi roll, dumpling, bowl of noodles, plate of rice, steak, "
    "sausage, fried egg, slice of cheese, cup of yoghurt, cake, cookie, doughnut, ice cream cone, chocolate bar, "
    "cup of coffee, pot of tea, glass of wine, mug of beer, bottle of milk, jar of honey, bowl of cereal, pretzel, "
    "pie"
)
OBJECTS = (
    "chair, table, sofa, bed, lamp, mirror, clock, vase, bookcase, wardrobe, carpet, curtain, candle, umbrella, "
    "suitcase, backpack, handbag, wallet, key, lock, pair of scissors, hammer, saw, screwdriver, ladder, bucket, "
    "broom, shovel, rake, needle, button, pencil, pen, notebook, envelope, stamp, newspaper, map, globe, telescope, "
    "microscope, camera, television, radio, telephone, laptop, keyboard, printer, calculator, light bulb, battery, "
    "violin, guitar, piano, drum, trumpet, flute, harp, saxophone, ball, kite, doll, teddy bear, puzzle, "
    "chessboard, die, playing card, trophy, medal, crown, ring, necklace, wristwatch, pair of glasses, hat, helmet, "
    "scarf, glove, shoe, boot, sock, shirt, tie, dress, skirt, coat, belt, spoon, fork, knife, plate, bowl, cup, "
    "teapot, frying pan, oven, fridge, washing machine, vacuum cleaner, bathtub, toothbrush, comb, bar of soap, "
    "towel, bandage, syringe, wheelchair, anchor, barrel, basket, bell, flag, fountain, statue, tent, hammock, "
    "swing, slide, traffic light, road sign, mailbox, bench, fence, gate, chimney, balcony, staircase"
)
VEHICLES = (
    "car, bus, truck, van, tram, train, steam locomotive, bicycle, motorcycle, scooter, tractor, bulldozer, "
    "ambulance, fire engine, police car, taxi, racing car, caravan, sailing boat, canoe, ferry, cargo ship, "
    "submarine, aeroplane, helicopter, glider, hot air balloon, rocket, sledge, horse carriage, skateboard, cable "
    "car"
)
PLANTS = (
    "rose, tulip, sunflower, daisy, lily, orchid, poppy, sprig of lavender, cactus, fern, ivy plant, oak, pine, "
    "palm, birch, willow, maple, bamboo stalk, cherry tree, apple tree, ear of wheat, reed, water lily, thistle, "
    "dandelion, clover leaf, bonsai"
)
PHOTOGRAPHIC = (
    "black and white photograph, blurred photograph, overexposed photograph, underexposed photograph, long exposure "
    "photograph, macro photograph, aerial photograph, satellite image, underwater photograph, night photograph, "
    "panorama, portrait, close-up, wide-angle photograph, fisheye photograph, silhouette, double exposure, "
    "photograph with a shallow depth of field, photograph with motion blur, photograph taken from below, photograph "
    "taken from above, backlit photograph, grainy photograph, vintage photograph, sepia photograph, infrared "
    "photograph, thermal image, X-ray image, microscope image, screenshot, scanned document, photograph with strong "
    "contrast, photograph with soft light, photograph with harsh shadows, high-key photograph, low-key photograph, "
    "tilted photograph, symmetric photograph, cropped photograph, photograph through a window, photograph of a "
    "reflection, pixelated image, compressed image, image with a white border, image with a watermark, collage, "
    "stereo image, time-lapse image, selfie, passport photograph, mugshot, polaroid"
)
ART = (
    "oil painting, watercolour, pencil drawing, charcoal sketch, ink drawing, engraving, woodcut, etching, fresco, "
    "mosaic, stained glass window, tapestry, marble sculpture, bronze statue, cartoon, comic strip, anime drawing, "
    "pixel art image, digital illustration, 3D rendering, low-poly model, wall of graffiti, poster, logo, icon, "
    "diagram, chart, floor plan, blueprint, map, technical drawing, child's drawing, page of calligraphy, piece of "
    "origami, piece of embroidery, collage, pop art print, cubist painting, impressionist painting, surrealist "
    "painting, abstract painting, still life, caricature, book cover, postage stamp"
)
PATTERNS = (
    "a grid of lines, a checkerboard, zigzag lines, a honeycomb pattern, polka dots, concentric circles, radial "
    "symmetry, mirror symmetry, repeated tiles, floral wallpaper, camouflage, tartan, paisley, chevrons, waves, "
    "ripples, branching lines, fractal shapes, tangled threads, stacked boxes, parallel lines, crossing diagonals, "
    "scattered points, a gradient from light to dark, a plain background, a single horizon, a vanishing point, an "
    "empty frame, overlapping shapes, a spiral of steps"
)
TEXT_IN_PICTURES = (
    "letter, number, handwritten note, street sign, neon sign, licence plate, menu, price tag, book page, newspaper "
    "headline, barcode, subtitle, signature, tattoo with words, chalkboard with formulas, keyboard with letters, "
    "clock face, calendar, ticket, banner with a slogan, logo with letters, label on a bottle"
)
POSITIONS = (
    "on the left, on the right, at the top, at the bottom, in the centre, in a corner, in the foreground, in the "
    "background, behind a fence, on a table, under a bridge, inside a box, next to a window, in front of a wall, "
    "floating in the air, on water, among leaves, between two trees, on top of a hill, at the edge of a road"
)
SIZES = (
    "tiny, small, large, huge, long, short, tall, wide, narrow, thick, thin, flat, round, sharp, hollow, curved, "
    "straight"
)
NUMBERS = "two, three, four, five, six, ten, a dozen, many, hundreds of"
COUNTED = (
    "dogs, birds, people, children, cars, boats, trees, flowers, houses, windows, chairs, bottles, books, apples, "
    "balls, coins, candles, clouds, mountains, horses, fish, butterflies, cups, stars, circles"
)
PARTS = (
    "eye, ear, nose, mouth, hand, finger, foot, knee, beard, moustache, ponytail, smile, tooth, tail, wing, beak, "
    "feather, horn, paw, claw, fin, shell, leaf, root, petal, thorn, branch, wheel, handle, hinge, roof, window, "
    "door, brick, pipe, wire, screen, lens, blade, rope knot"
)
EVENTS = (
    "wedding, birthday party, funeral, graduation, concert, parade, protest, football match, marathon, horse race, "
    "swimming race, rodeo, carnival, fireworks display, christmas market, halloween party, family dinner, picnic, "
    "barbecue, business meeting, job interview, lecture, operation, trial, election, traffic jam, accident, flood, "
    "fire, earthquake, harvest, auction, fashion show, art exhibition, magic show, puppet show, camping trip, road "
    "trip, treasure hunt"
)
GROUPS = (
    Group(
        COLOURS, ("something {}", "a {} surface", "a picture in shades of {}", "{} clothes", "a {} wall", "{} light")
    ),
    Group(
        SHAPES, ("a {}", "an outline of a {}", "an object in the shape of a {}", "a pattern of {}s", "a {} in a frame")
    ),
    Group(TEXTURES, ("a {} texture", "a {} surface up close", "something {}", "{} fabric", "a {} stone")),
    Group(MATERIALS, ("something made of {}", "a surface of {}", "a close-up of {}", "a pile of {}")),
    Group(ANIMALS, ("a {}", "a photo of a {}", "a {} in the wild", "the head of a {}")),
    Group(PLACES, ("a {}", "a view of a {}", "a {} at night", "an empty {}", "people in a {}")),
    Group(REGIONS, ("a photo taken in {}", "a street in {}", "a landscape in {}", "food from {}")),
    Group(WEATHER, ("a scene with {}", "a landscape with {}", "a town with {}")),
    Group(ACTIONS, ("a person {}", "people {}", "a child {}")),
    Group(PEOPLE, ("a {}", "a portrait of a {}", "a {} at work", "two people, one of them a {}")),
    Group(EMOTIONS, ("a {} face", "a {} person", "people who look {}", "a {} child")),
    Group(MOODS, ("a picture that expresses {}", "a feeling of {}", "a scene of {}")),
    Group(FOOD, ("a {}", "a {} on a plate", "a {} in a kitchen", "a half-eaten {}")),
    Group(OBJECTS, ("a {}", "a photo of a {}", "an old {}")),
    Group(VEHICLES, ("a {}", "a {} in motion", "a broken {}", "the inside of a {}")),
    Group(PLANTS, ("a {}", "a {} in a pot", "a field with {}", "a withered {}")),
    Group(PHOTOGRAPHIC, ("a {}", "a {} of a person", "a {} of a landscape")),
    Group(ART, ("a {}", "a {} of an animal", "a {} of a building")),
    Group(PATTERNS, ("{}", "a picture with {}", "architecture with {}")),
    Group(TEXT_IN_PICTURES, ("a {}", "a picture with a {}", "a blurred {}")),
    Group(POSITIONS, ("an object {}", "a person {}", "an animal {}")),
    Group(SIZES, ("a {} object", "something {}", "a {} building")),
    Group(PARTS, ("a {}", "a close-up of a {}", "a detail: the {}")),
    Group(EVENTS, ("a {}", "people at a {}", "the scene after a {}")),
)
CROSSED = (
    (COLOURS, "circle, triangle, square, star, cross, heart, ring", "a {} {}"),
    (COLOURS, "car, bird, flower, dress, house, ball, chair, fish, door, hat", "a {} {}"),
    (SIZES, "animal, tree, vehicle, tool", "a {} {}"),
    (NUMBERS, COUNTED, "{} {}"),
    ("wooden, metal, glass, plastic, stone, leather, paper", "box, toy, table, bowl, door, figure", "a {} {}"),
)

PROPERTIES: Mapping[str, tuple[str, ...]] = {
    "colours": (COLOURS,),
    "shapes": (SHAPES,),
    "textures": (TEXTURES,),
    "materials": (MATERIALS,),
    "animals": (ANIMALS,),
    "locations": (PLACES, REGIONS),
    "weather": (WEATHER,),
    "actions": (ACTIONS,),
    "people": (PEOPLE,),
    "emotions": (EMOTIONS, MOODS),
    "food": (FOOD,),
    "objects": (OBJECTS,),
    "vehicles": (VEHICLES,),
    "plants": (PLANTS,),
    "photography": (PHOTOGRAPHIC,),
    "art": (ART,),
    "patterns": (PATTERNS,),
    "writing": (TEXT_IN_PICTURES,),
    "positions": (POSITIONS,),
    "sizes": (SIZES,),
    "numbers": (NUMBERS,),
    "parts": (PARTS,),
    "events": (EVENTS,),
}


def properties() -> dict[str, list[str]]:
    """The words of each property, without articles, each once."""
    return {
        name: list(dict.fromkeys(bare(word) for words in groups for word in listed(words)))
        for name, groups in PROPERTIES.items()
    }


def bare(word: str) -> str:
    """A word without an article in front."""
    first, _, rest = word.partition(" ")
    return rest if first in ("a", "an", "the") and rest else word


def lines() -> list[str]:
    """All lines, each once, in a fixed order."""
    single = (line for group in GROUPS for line in group.lines())
    crossed = (
        article(template.format(first, second))
        for firsts, seconds, template in CROSSED
        for first, second in product(listed(firsts), listed(seconds))
    )
    return list(dict.fromkeys([*single, *crossed]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="the file")
    parser.add_argument("--properties", type=Path, required=True, help="the file of properties and their words")
    arguments = parser.parse_args()
    made, named = lines(), properties()
    arguments.output.write_text("\n".join(made) + "\n", encoding="utf-8")
    arguments.properties.write_text(
        yaml.safe_dump(named, sort_keys=False, width=110, default_flow_style=None), encoding="utf-8"
    )
    print(f"{len(made):,} texts, {len(named)} properties")


if __name__ == "__main__":
    main()
