"""Arrays in, arrays out: what a recurrent layer computes, without Keras."""
