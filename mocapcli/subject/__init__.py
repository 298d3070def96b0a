"""The subject of a video: found, followed, and cut out as steady crops."""
