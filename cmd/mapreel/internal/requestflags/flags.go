package requestflags

import (
	"github.com/mapreel/mapreel/cmd/mapreel/internal/flagvalue"
	"github.com/mapreel/mapreel/cmd/mapreel/internal/requestfile"
	"github.com/mapreel/mapreel/pkg/film/overlay"
	"github.com/mapreel/mapreel/pkg/film/target"
)

// Flags are the arguments and flags that describe a request. A flag that the user does not give stays empty, so that the request
// does not contain it.
type Flags struct {
	Program *flagvalue.WholeNumber `placeholder:"N" help:"Transcode this program of a transport stream with several. Default: the one with the largest picture."`

	Join bool `help:"Join all SOURCEs to one film, in their order. Picture and sound of the others get the size, the sample rate and the channels of the first; every frame keeps its time."`

	PartFlags
	SequenceFlags

	Codec      string                 `group:"Video" complete:"h264,h265,vp9,av1" placeholder:"NAME" help:"h264, h265, vp9 or av1. Default: h264, in .webm vp9."`
	CRF        *flagvalue.WholeNumber `group:"Video" name:"crf" placeholder:"N" help:"Constant quality, lower is better. Default: 21 for h264 and 24 for h265 (of 0 to 51), 31 for vp9 and 32 for av1 (of 0 to 63)."`
	Target     *target.Wish           `group:"Video" complete:"xpsnr=,ssim=,vmaf=" placeholder:"METRIC=VALUE" help:"Quality that each segment finds its own CRF for, instead of --crf: xpsnr=42 (dB), ssim=0.98, or vmaf=94 with an ffmpeg that has libvmaf. xpsnr=42,18-36 also says which CRF may be used."`
	Bitrate    string                 `group:"Video" placeholder:"RATE" help:"Average bit rate of the video, instead of --crf: 2M, 800k. A fast first pass shares the bits out, so that all of the film is about equally good."`
	TargetSize string                 `group:"Video" placeholder:"SIZE" help:"Size of the file with its audio and all else, instead of --crf, in bytes: 700M, 1.5G. The video gets what the rest leaves."`

	Preset  string `group:"Video" complete:"web,archive,phone,editing-proxy,ultrafast,superfast,veryfast,faster,fast,medium,slow,slower,veryslow,placebo" placeholder:"NAME" help:"Named settings, shipped (web, archive, phone, editing-proxy: see mapreel preset list) or of --presets, for what no flag says. Or the encoder's speed against size: h264, h265: ultrafast to placebo, default medium. vp9: 0 (slow) to 8 (fast), default 4. av1: 0 (slow) to 13 (fast), default 8."`
	Presets string `group:"Video" env:"MAPREEL_PRESETS" placeholder:"DIR" help:"Folder of your named settings. Default: mapreel/presets in the configuration folder."`
	Tune    string `group:"Video" complete:"film,animation,grain,stillimage,psnr,ssim,fastdecode" placeholder:"NAME" help:"What the encoder is to favour. h264: film, animation, grain, stillimage, psnr, ssim or fastdecode; h265: animation, grain, psnr, ssim or fastdecode."`

	EncoderOptions string                 `group:"Video" placeholder:"OPTIONS" help:"Options of the encoder under its own names: aq-mode=3:psy-rd=1.0,0.15. Those that would make a seam, or that mapreel sets itself, are refused by name."`
	Profile        string                 `group:"Video" complete:"baseline,main,high,high10,main10" placeholder:"NAME" help:"What the stream may use of its format. h264: baseline, main, high or high10; h265: main or main10."`
	Level          string                 `group:"Video" placeholder:"LEVEL" help:"The level of h264, such as 4.1, in which frame size and rate must fit. Default: the lowest that they fit in."`
	BitDepth       *flagvalue.WholeNumber `group:"Video" complete:"8,10" placeholder:"BITS" help:"8 or 10 bits per sample. Default: 8 in h264; in the others as the source has, but at most 10."`
	Grain          *flagvalue.WholeNumber `group:"Video" placeholder:"N" help:"Film grain that AV1 players add in place of the source's, 1 to 50. Default: none."`

	GPU        bool                   `group:"Video" name:"gpu" help:"Encode with NVENC on a GPU of NVIDIA: h264, h265 or av1, with the same flags. --encoder-options are then those of NVENC."`
	Height     *flagvalue.WholeNumber `group:"Video" placeholder:"LINES" help:"Scale to this many lines; the width follows. Does not enlarge without --upscale. Default: the source's size."`
	Upscale    bool                   `group:"Video" help:"Allow --height to enlarge the video."`
	FPS        string                 `group:"Video" name:"fps" placeholder:"RATE" help:"Make the frame rate constant: 25, 30000/1001. Default: every frame keeps its timestamp. Of an image sequence, it is the rate at which the frames are read, unless --source-fps says that."`
	Interlaced string                 `group:"Video" complete:"deinterlace,keep" placeholder:"HOW" help:"deinterlace or keep. Default: deinterlace, one frame for each source frame. keep encodes fields, with h264 only."`

	Crop   string `group:"Video" complete:"auto" placeholder:"W:H:X:Y|auto" help:"Keep this part of the picture, in pixels of the source as it is shown, or with auto what is not black in 16 frames of the film. Before --height."`
	Filter string `group:"Video" placeholder:"FILTERS" help:"Filters of ffmpeg for each frame by itself: nlmeans=s=3,eq=contrast=1.1. Those that need other frames, files or another size are refused by name. After --crop, before --height."`
	Pad    string `group:"Video" placeholder:"W:H" help:"Put the picture in the middle of a black frame of this size, in square pixels. It is made smaller to fit, and larger only with --upscale."`

	Overlay *overlay.Wish `group:"Video" placeholder:"PNG[@PLACE]" help:"Lay a picture over every frame, such as a logo: logo.png@bottom-left. Places are top-left, top-right (the default), bottom-left, bottom-right and center. logo.png@top-left,height=12,margin=4,opacity=60 sets its height (10), its distance from the edges (3), both in percent of the height of the video, and its opacity."`

	MaxBitrate    string              `group:"Video" placeholder:"RATE" help:"Limit of the bit rate, averaged over two seconds, in bits per second: 6M, 800k. Default: no limit."`
	Ladder        string              `group:"Package" complete:"web" placeholder:"NAME|FILE" help:"Renditions of .m3u8 and .mpd: web, selected by the size of the source and never larger; or a .yaml or .json file that lists them, where flags such as --codec apply to those that do not say. Default: web."`
	DASH          bool                `group:"Package" name:"dash" help:"Also write a DASH manifest for the same media."`
	SegmentLength *flagvalue.Duration `group:"Package" name:"media-segment" placeholder:"LENGTH" help:"Duration of the media segments that players load. Default: 6s."`
	Keyframes     *flagvalue.Duration `group:"Package" name:"keyframes" placeholder:"LENGTH" help:"Longest distance of keyframes: what players show while scrubbing. Default: 2s."`
	Thumbnails    string              `group:"Package" complete:"auto,none" placeholder:"WHICH" help:"auto or none. auto adds what players show while the viewer scrubs or plays fast: sheets of thumbnails and a small rendition of one keyframe a second. Default: auto."`
	SingleFile    bool                `group:"Package" help:"One file for each rendition, read by byte ranges, instead of one for each media segment."`

	EncryptionFlags

	Audio        string   `group:"Audio" complete:"auto,aac,opus,copy,none" placeholder:"CODEC" help:"auto, aac, opus, copy or none. Default: auto, which copies what the container can hold unchanged and encodes the rest as aac, in .webm as opus."`
	Loudness     *float64 `group:"Audio" placeholder:"LUFS" help:"Amplify or attenuate each track to this loudness by EBU R 128, measured over the whole of it: -23. Less where true peaks would exceed -1 dBTP. All tracks are encoded then."`
	AudioBitrate string   `group:"Audio" placeholder:"RATE" help:"Bit rate of a track that is encoded, in bits per second: 160k, 96000. Default: 160k; 80k per channel above stereo."`

	Subtitles string `group:"Subtitles" complete:"auto,none" placeholder:"WHICH" help:"auto or none. Default: auto, which keeps all tracks that the container can hold: text in every container, bitmaps in .mkv."`

	BurnSubtitles string `group:"Subtitles" placeholder:"TRACK|FILE" help:"Draw subtitles into the picture: a track of text by number or language, or a file in SubRip, WebVTT or ASS: 2, eng, film.de.srt."`

	SubtitleFileFlags
	TrackFlags

	Goal     string                 `group:"Work" enum:",time,cost,balanced" default:"" placeholder:"GOAL" help:"Without --segment: time, cost or balanced. time makes short segments, which are done soonest on AWS; cost makes long ones, which waste least on starting; balanced makes segments of 10 to 30 s, longer where pictures are small. Default: balanced."`
	Deadline *flagvalue.Duration    `group:"Work" placeholder:"TIME" help:"Time in which the job is to be done on AWS: 10m. Without --segment, selects the longest segments with which that is expected. A job that is not expected to make it is refused; on this machine, it selects the segments alone."`
	Segment  *flagvalue.Duration    `group:"Work" placeholder:"LENGTH" help:"Target duration of a segment: 10s, 1m30s. Default: see --goal. Shorter segments use the cores more evenly and lose less work when the process is killed; longer ones compress slightly better."`
	Threads  *flagvalue.WholeNumber `group:"Work" placeholder:"N" help:"Threads per encoder. The number affects the result: different numbers give different bytes. Default: 2."`
	Request  string                 `group:"Work" placeholder:"FILE" help:"Read a request from a .json or .yaml file, or from standard input with -. SOURCE, -o and flags override it. Relative paths in it are relative to the current folder."`

	// Source, Output and Concurrency are the values of the command's own arguments and flags for them.
	Source string `kong:"-"`
	// Others are the sources that follow Source, for Join.
	Others []string `kong:"-"`
	// Frames is a folder that keeps the frames of a scene, in the place of Output.
	Frames string `kong:"-"`
	// More writes flags of the command's own into the request.
	More        func(*requestfile.Draft) error `kong:"-"`
	Output      string                         `kong:"-"`
	Concurrency *flagvalue.WholeNumber         `kong:"-"`
	// Budget is likewise a flag of some commands.
	Budget *flagvalue.Money `kong:"-"`
}
