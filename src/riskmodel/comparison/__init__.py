"""Two models beside each other: whom they would invite, what they tell, and what they are worth on the same students."""
