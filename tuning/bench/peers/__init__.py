"""What the kit is measured against; these run in an environment of their own, never in the kit's."""
