"""The run folder: plain files, one writer each, readable for as long as there are text editors."""
