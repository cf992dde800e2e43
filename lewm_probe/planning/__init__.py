"""Reaching goals with a world model: solvers that search for actions, and control in the simulator.

A solver knows nothing of models, only a cost of plans; a cost knows nothing of worlds; control knows
nothing of how an agent chooses.
"""
