"""Reaching goals with a world model: solvers that search for actions, control in the simulator.

A solver knows nothing of models, only a cost of plans; control knows nothing of how an agent
chooses.
"""
