NAME = "own orchestrators"
