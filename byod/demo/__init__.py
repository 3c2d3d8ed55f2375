"""The demo: drawn pictures with planted trouble, a stand that serves them, and the road through all of byod."""
