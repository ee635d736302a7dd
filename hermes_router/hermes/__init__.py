"""The only gateway-side code that imports Hermes: the plugin, the swap, and the seams they use."""
