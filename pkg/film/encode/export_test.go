package encode

// WithoutOriginals returns a kind whose searches decode the source for each measurement and each encode.
func (k Kind) WithoutOriginals() Kind {
	k.withoutOriginals = true
	return k
}
