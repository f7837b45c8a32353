// flags: -nostdlib
// Does nothing: what preloading costs by itself.
