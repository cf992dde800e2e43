"""One method against another, fresh or from stored rows."""
