"""The neural part: what a clip's pictures, or its joints' places, say of a rig's pose. Knows nothing of files."""
