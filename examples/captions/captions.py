#!/usr/bin/env python3
"""Writes captions of a piece of sound: INPUT_FILE_PATH, a WAV file, to captions.srt and captions.vtt in TMP_OUTPUT_DIR.

The sound is divided at pauses, and pocketsphinx recognises each part between two pauses without knowledge of the others. So the text
does not depend on where mapreel cut the sound, as long as it cut in pauses. mapreel shifts the times to those of the film.

Another recogniser, RECOGNISER, gets the whole piece and prints "word start end" for each word, in seconds of the piece.
"""
import array
import operator
import os
import re
import shlex
import subprocess
import sys
import tempfile
import wave

LINE = 42  # characters of a line, two of which are a cue
LONGEST = 6.0  # seconds of a cue
PAUSE = 0.6  # seconds without a word that end a cue
SPEED = 17  # characters that people read in a second
LEAST = 1.0  # seconds that a cue stays at least
GAP = 0.08  # seconds between two cues

# Voice activity, in frames of 10 ms.
FRAMES = 100  # a second
SILENCE = 30  # quiet frames between two utterances: as long as the silence in which mapreel cuts
PAD = SILENCE // 2  # quiet frames kept before and after an utterance
CLICK = 5  # loud frames that an utterance has at least
UTTERANCE = 30 * FRAMES  # of the longest utterance
NEAR = 2 * FRAMES  # before and after a frame, where its background noise is measured
SMOOTH = 10  # over which the noise is averaged
QUIET = 100 ** 2  # mean square of samples that are quiet in any film: -50 dB
LOUD = 9  # how many times the noise is exceeded by speech: 9.5 dB

RATE = 16000  # samples a second, of pocketsphinx's model
MODEL = "/usr/share/pocketsphinx/model/en-us/"
POCKETSPHINX = [
    "pocketsphinx_batch", "-hmm", MODEL + "en-us", "-lm", MODEL + "en-us.lm.bin", "-dict", MODEL + "cmudict-en-us.dict",
    # With its own detection of silence, times would not count the frames that it removes. At 3000 HMMs a frame, it finds the same
    # words in three quarters of the time.
    "-adcin", "yes", "-remove_silence", "no", "-maxhmmpf", "3000",
]


def run(command):
    """Returns what a program prints."""
    try:
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    except FileNotFoundError:
        sys.exit(f"{command[0]} is not installed")
    except subprocess.CalledProcessError as e:
        sys.exit(f"{command[0]} failed with code {e.returncode}")


def report(fraction):
    """Tells mapreel how much of the work is done, from 0 to 1."""
    path = os.environ.get("MAPREEL_PROGRESS_FILE")
    if path:
        with open(path, "w", encoding="ascii") as progress:
            print(f"{fraction:.4f}", file=progress)


def run_pocketsphinx(arguments, lengths):
    """Runs pocketsphinx_batch for utterances of lengths, and reports the progress, which it logs as "INFO: batch.c(760): 0: 7.01 seconds
    speech, …" after each."""
    done, total = 0, sum(lengths)
    try:
        process = subprocess.Popen(POCKETSPHINX + arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace")
    except FileNotFoundError:
        sys.exit(f"{POCKETSPHINX[0]} is not installed")
    with process:
        for line in process.stderr:
            match = re.search(r"batch\.c\(\d+\): (\d+): [\d.]+ seconds speech", line)
            if match and int(match[1]) < len(lengths):
                done += lengths[int(match[1])]
                report(done / total)
    if process.returncode:
        sys.exit(f"{POCKETSPHINX[0]} failed with code {process.returncode}")


def levels(samples, first):
    """Returns the mean square of each frame. The first frame begins at a sample."""
    size = RATE // FRAMES
    parts = (samples[i:i + size] for i in range(first, len(samples) - size + 1, size))
    return [sum(map(operator.mul, part, part)) / size for part in parts]


def noise(level):
    """Returns the background noise at each frame: the lowest of the averages near it."""
    sums = [0.0]
    for x in level:
        sums.append(sums[-1] + x)
    mean = [(sums[i + SMOOTH] - sums[i]) / SMOOTH for i in range(len(level) - SMOOTH + 1)]
    return [min(mean[max(i - NEAR, 0):i + NEAR - SMOOTH + 1], default=0) for i in range(len(level))]


def utterances(level):
    """Returns the utterances as pairs of frames: where one begins, and where it ends."""
    spans = []
    for i, (x, n) in enumerate(zip(level, noise(level))):
        if x <= max(QUIET, LOUD * n):
            continue
        if spans and i - spans[-1][1] < SILENCE:
            spans[-1][1] = i + 1
            spans[-1][2] += 1
        else:
            spans.append([i, i + 1, 1])
    padded = [(max(begin - PAD, 0), min(end + PAD, len(level))) for begin, end, loud in spans if loud >= CLICK]
    return [part for begin, end in padded for part in shorten(level, begin, end)]


def shorten(level, begin, end):
    """Divides an utterance that is too long at its quietest places."""
    if end - begin <= UTTERANCE:
        return [(begin, end)]
    quarter = (end - begin) // 4
    at = min(range(begin + quarter, end - quarter), key=lambda i: sum(level[i - PAD:i + PAD]))
    return shorten(level, begin, at) + shorten(level, at, end)


def recognise(path):
    """Returns the words of a file as (text, start, end)."""
    command = shlex.split(os.environ.get("RECOGNISER", ""))
    if command:
        return parse(run(command + [path]))
    with wave.open(path) as sound:
        if (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) != (RATE, 1, 2):
            sys.exit(f"pocketsphinx needs sound with one channel and {RATE} samples a second of 16 bits")
        samples = array.array("h", sound.readframes(sound.getnframes()))
    # Frames lie at the same samples of the film wherever the piece begins.
    start = int(os.environ.get("MAPREEL_START", "0")) * RATE // int(os.environ.get("MAPREEL_TIMESCALE", "1000000"))
    size = RATE // FRAMES
    first = -start % size
    spans = utterances(levels(samples, first))
    if not spans:
        return []
    with tempfile.TemporaryDirectory() as folder:
        listed, found = os.path.join(folder, "list"), os.path.join(folder, "words")
        lengths = [end - begin for begin, end in spans]
        with open(listed, "w", encoding="ascii") as names:
            # The longest first: progress in steps that grow would look as if the work stood still.
            for i in sorted(range(len(spans)), key=lambda i: -lengths[i]):
                print(i, file=names)
                begin, end = spans[i]
                with open(os.path.join(folder, f"{i}.raw"), "wb") as raw:
                    raw.write(samples[first + begin * size:first + end * size].tobytes())
        run_pocketsphinx(["-ctl", listed, "-cepdir", folder, "-cepext", ".raw", "-hypseg", found], lengths)
        with open(found, encoding="utf-8") as lines:
            ordered = sorted(lines, key=lambda line: int(line.split()[0]))
        return [word for line in ordered for word in segments(line, first / RATE, spans)]


def segments(line, offset, spans):
    """Returns the words in a line of pocketsphinx_batch: the utterance's number, eight fields on its scores, for each word the first
    frame, two scores and the text, and at the end the last frame."""
    number, *fields = line.split()
    texts = fields[11::4]
    frames = [int(f) for f in fields[8::4]] if texts else []
    times = [offset + (spans[int(number)][0] + frame) / FRAMES for frame in frames]
    return [(re.sub(r"\(\d+\)$", "", text), times[i], times[i + 1]) for i, text in enumerate(texts) if not re.match(r"[<\[+]", text)]


def parse(text):
    """Returns the words in a recogniser's output. What is not said has a name in brackets: <sil>, [NOISE]. Other lines are skipped."""
    words = []
    for line in text.splitlines():
        match = re.fullmatch(r"([^\s<\[+]\S*) (\d+\.?\d*) (\d+\.?\d*)( \S+)?", line)
        if match:
            word = re.sub(r"\(\d+\)$", "", match[1])  # the number of a pronunciation
            words.append((word, float(match[2]), float(match[3])))
    return words


def wrap(words):
    """Returns words in one line, or in two of about the same length."""
    text = [w[0] for w in words]
    if len(" ".join(text)) <= LINE:
        return [" ".join(text)]
    at = min(range(1, len(text)), key=lambda i: abs(len(" ".join(text[:i])) - len(" ".join(text[i:]))), default=0)
    return [" ".join(text[:at]), " ".join(text[at:])] if at else [" ".join(text)]


def split(words):
    """Divides words without a long pause into cues, at the longest pauses that leave no cue short."""
    fits = all(len(line) <= LINE for line in wrap(words)) and words[-1][2] - words[0][1] <= LONGEST
    if fits or len(words) == 1:
        return [words]
    middle = len(words) / 2
    at = max(range(1, len(words)), key=lambda i: words[i][1] - words[i - 1][2] - 0.5 * abs(i - middle) / middle)
    return split(words[:at]) + split(words[at:])


def cues(words, length):
    """Returns cues as (start, end, lines). None ends after length."""
    groups = []
    for word in words:
        if not groups or word[1] - groups[-1][-1][2] >= PAUSE:
            groups.append([])
        groups[-1].append(word)
    groups = [cue for group in groups for cue in split(group)]
    result = []
    for i, group in enumerate(groups):
        start, lines = group[0][1], wrap(group)
        wanted = max(group[-1][2], start + LEAST, start + sum(map(len, lines)) / SPEED)
        limit = groups[i + 1][0][1] - GAP if i + 1 < len(groups) else length
        result.append((start, max(min(wanted, limit), start + 0.04), lines))
    return result


def stamp(seconds, point):
    ms = round(seconds * 1000)
    return f"{ms // 3600000:02}:{ms // 60000 % 60:02}:{ms // 1000 % 60:02}{point}{ms % 1000:03}"


def main():
    path, out = os.environ["INPUT_FILE_PATH"], os.environ["TMP_OUTPUT_DIR"]
    with wave.open(path) as sound:
        length = sound.getnframes() / sound.getframerate()
    if int(os.environ.get("MAPREEL_INDEX", "0")) + 1 < int(os.environ.get("MAPREEL_COUNT", "1")):
        length = float("inf")  # a cue may stay into the next piece; mapreel ends it where that piece's first cue begins
    found = cues(recognise(path), length)
    with open(os.path.join(out, "captions.srt"), "w", encoding="utf-8") as srt:
        for i, (start, end, lines) in enumerate(found):
            srt.write(f"{i + 1}\n{stamp(start, ',')} --> {stamp(end, ',')}\n" + "\n".join(lines) + "\n\n")
    with open(os.path.join(out, "captions.vtt"), "w", encoding="utf-8") as vtt:
        vtt.write("WEBVTT\n\n")
        for start, end, lines in found:
            text = "\n".join(lines).replace("&", "&amp;").replace("<", "&lt;")
            vtt.write(f"{stamp(start, '.')} --> {stamp(end, '.')}\n{text}\n\n")


if __name__ == "__main__":
    main()
