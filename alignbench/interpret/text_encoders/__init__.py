"""Text encoders of models of pictures and texts, one file a library.

`loading` finds a model's, `encoder` says what one is, `tokenizers` where its tokenizer is; `transformers_texts` has
those of CLIP, Chinese-CLIP and SigLIP in the format of transformers, `openclip_texts` those of open_clip.
"""
