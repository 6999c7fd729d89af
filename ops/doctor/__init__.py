"""`profiling-groups doctor`: why nothing happens, found out check by check, each with what mends it.

`reading` reads, with the operator's credentials, each thing once; a check is a function over what was read; `checkup`
has them in order, and says which is of no use once another has failed.
"""
