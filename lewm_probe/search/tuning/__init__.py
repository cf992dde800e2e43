"""The one number that LeWM has to be told, λ, found in O(log n) trainings, and what rivals cost."""
