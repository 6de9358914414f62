"""Moving the images from files of the host to an object store, or back, while they are served."""
