"""What a track is: WAV headers, safe paths, tags, the searchable catalogue. No I/O."""
