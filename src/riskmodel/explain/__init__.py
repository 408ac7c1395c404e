"""Why a score is what it is: exact contributions, summed to reasons, told in words."""
