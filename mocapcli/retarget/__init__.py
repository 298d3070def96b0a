"""A motion from one rig onto another: matched by name, by topology where names fail, limbs lined up at rest.

`body` finds which way a rig faces and which limbs it has, `limbs` pairs the limbs of two rigs, `plan` says for every
joint who drives it, `transfer` moves the motion, `api` is all of that with a report.
"""
