// Replaced by the first fixture.
