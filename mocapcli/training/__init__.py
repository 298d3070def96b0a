"""Training: endless samples rendered from rigs, and one visible loop. (`adapting` learns a single rig.)"""
