"""From a Plan to files: edits on spans, new files, patches, and writing all of it or nothing."""
