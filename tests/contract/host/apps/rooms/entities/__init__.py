NAME = "own entities"
