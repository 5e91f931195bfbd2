package verify

// Plot is drawn in plot_svg.go.
func Plot(r Report) []byte { return nil }
