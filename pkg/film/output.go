package film

import "cmp"

// File returns the name of the output's file in the destination; for a package, the file that players open.
func (o Output) File() string {
	if o.Container.Preview() {
		return o.Name + PreviewFile
	}
	switch c := cmp.Or(o.Container, MP4); c {
	case HLS, CMAF:
		return o.Name + ".m3u8"
	case DASH:
		return o.Name + ".mpd"
	case Frames:
		return o.Name + "/" + FramesFile
	default:
		return o.Name + "." + string(c)
	}
}

// Manifest returns the name of the DASH manifest that a package has besides its File, or "" if it has none.
func (o Output) Manifest() string {
	if o.Container != CMAF {
		return ""
	}
	return o.Name + ".mpd"
}

// Names returns all names in the destination that the output uses: its files, and the folder of a package.
func (o Output) Names() []string {
	if o.Container == Frames {
		return []string{o.Name} // the folder
	}
	names := []string{o.File()}
	if o.Container.Preview() {
		names = append(names, PreviewFolder(o.Name))
	}
	if o.Container.Packaged() {
		names = append(names, o.Name)
	}
	if m := o.Manifest(); m != "" {
		names = append(names, m)
	}
	return names
}

// MediaSegment returns how long the media segments of a package are.
func (o Output) MediaSegment() Seconds {
	if o.Package == nil {
		return Seconds(defaultMedia)
	}
	return cmp.Or(o.Package.Seconds, Seconds(defaultMedia))
}
