"""What runs in the environment of a peer: a folder that `python FOLDER` executes, without chainrule."""
