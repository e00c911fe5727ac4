NAME = "own local"
