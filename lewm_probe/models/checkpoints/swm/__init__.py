"""The released shapes: what stable-worldmodel and stable-pretraining save."""
