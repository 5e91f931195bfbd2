# Runs inside Blender, for package blender of mapreel. The last argument names a JSON file that says what to do:
# describe the scene, render frames of it, or mix its sound. What it finds is written to a JSON file, because Blender
# prints to standard output whatever it likes. A task may name the file in which the next one will appear. Blender then
# stays open and waits for it. All tasks of a process have the same settings.
import glob
import json
import os
import sys
import time

import bpy

ENGINES = {"cycles": ["CYCLES"], "eevee": ["BLENDER_EEVEE", "BLENDER_EEVEE_NEXT"], "workbench": ["BLENDER_WORKBENCH"]}
# Modifiers whose result depends on the frames before, unless it is baked.
SIMULATIONS = {"CLOTH", "SOFT_BODY", "DYNAMIC_PAINT", "FLUID"}


def engines():
    kind = bpy.types.RenderSettings.bl_rna.properties["engine"]
    return {item.identifier for item in kind.enum_items} | {"CYCLES"}


def choose(scene, s, problems):
    """Sets what the request asks for. What the scene does not have is a problem with its JSON pointer."""
    r = scene.render

    def named(field, items, apply):
        name = s.get(field, "")
        if not name:
            return
        names = [i.name for i in items]
        if name in names:
            apply(items[names.index(name)])
        else:
            problems.append({"pointer": "/render/" + field, "message": "the scene has no %r; it has %s" % (name, ", ".join(map(repr, names)) or "none")})

    engine = s.get("engine", "")
    if engine:
        usable = [e for e in ENGINES[engine] if e in engines()]
        if usable:
            r.engine = usable[0]
        else:
            problems.append({"pointer": "/render/engine", "message": "this Blender has no engine %s" % engine})
    named("camera", [o for o in scene.objects if o.type == "CAMERA"], lambda o: setattr(scene, "camera", o))
    if s.get("camera"):
        for m in scene.timeline_markers:
            m.camera = None

    def one_layer(layer):
        for other in scene.view_layers:
            other.use = other == layer

    named("viewLayer", list(scene.view_layers), one_layer)
    width, height = s.get("width"), s.get("height")
    if width or height:
        x, y = r.resolution_x, r.resolution_y
        r.resolution_x = width or max(round(x * height / y), 4)
        r.resolution_y = height or max(round(y * width / x), 4)
        r.resolution_percentage = 100
    if s.get("percentage"):
        r.resolution_percentage = s["percentage"]
    if s.get("samples"):
        if r.engine == "CYCLES":
            scene.cycles.samples = s["samples"]
        elif hasattr(scene, "eevee"):
            scene.eevee.taa_render_samples = s["samples"]
    r.use_border = r.use_crop_to_border = False
    r.use_multiview = False
    r.use_single_layer = False
    r.use_file_extension = True
    r.use_overwrite, r.use_placeholder = True, False
    r.use_stamp = r.use_stamp and any(getattr(r, n) for n in dir(r) if n.startswith("use_stamp_"))
    if s.get("tiles"):
        # Dithering depends on where a pixel lies in the picture, and adaptive sampling on the pixels beside it.
        r.dither_intensity = 0
        if hasattr(scene, "cycles"):
            scene.cycles.use_adaptive_sampling = False
    f = r.image_settings
    linear = s.get("format", "").startswith("exr")
    f.file_format = "OPEN_EXR" if linear else "PNG"
    f.color_mode = "RGBA" if r.film_transparent else "RGB"
    f.color_depth = {"png16": "16", "exr": "16", "exr32": "32"}.get(s.get("format"), "8")
    if linear:
        f.exr_codec = "ZIP"
        for name, value in (("use_zbuffer", False), ("use_preview", False), ("color_management", "FOLLOW_SCENE")):
            if hasattr(f, name):  # some versions of Blender only have some of them
                setattr(f, name, value)
    else:
        f.compression = 15


def denoiser(scene, repair):
    """Reports whether Cycles is to denoise and this Blender cannot; repair turns it off."""
    if scene.render.engine != "CYCLES" or not scene.cycles.use_denoising:
        return False
    if scene.cycles.denoiser != "OPENIMAGEDENOISE" or getattr(bpy.app.build_options, "openimagedenoise", True):
        return False
    try:
        import _cycles
        if getattr(_cycles, "with_openimagedenoise", True):
            return False
    except ImportError:
        return False
    if repair:
        scene.cycles.use_denoising = False
    return True


def whole(scene):
    """Returns the reasons why a tile would differ from the same part of the frame."""
    r = scene.render
    reasons = []
    if r.engine != "CYCLES":
        reasons.append("the engine %s, which looks at the whole frame" % r.engine)
    elif scene.cycles.use_denoising and not denoiser(scene, False):
        reasons.append("denoising")
    if r.engine == "CYCLES":
        if getattr(scene.cycles, "use_guiding", False):  # it learns from the pixels that are rendered
            reasons.append("path guiding")
        if any(getattr(getattr(o, "cycles", None), "use_adaptive_subdivision", False) for o in scene.objects):
            reasons.append("adaptive subdivision")  # which is coarser outside of what is rendered
    if scene.use_nodes and r.use_compositing:
        reasons.append("compositing")
    if pictures(scene):
        reasons.append("picture strips of the sequencer")
    if r.use_freestyle:
        reasons.append("Freestyle")
    if r.use_stamp:
        reasons.append("metadata that is burnt in")
    if any(o.type == "GPENCIL" and not o.hide_render for o in scene.objects):
        reasons.append("grease pencil")
    return reasons


def strips(scene):
    """Returns the strips of the sequencer that are not muted."""
    return [s for s in scene.sequence_editor.sequences_all if not s.mute] if scene.sequence_editor else []


def pictures(scene):
    """Returns the strips of which the sequencer makes the frames. Where there are none, the frames show the camera's view."""
    return [s for s in strips(scene) if s.type != "SOUND"] if scene.render.use_sequencer else []


def place(r, tile):
    """Has a tile rendered instead of the whole frame."""
    width, height = int(r.resolution_x * r.resolution_percentage / 100), int(r.resolution_y * r.resolution_percentage / 100)
    safe = 0.25  # of a pixel: Blender rounds the border down to whole pixels, and holds it with 32 bits
    bottom = height - tile["y"] - tile["height"]
    r.use_border = r.use_crop_to_border = True
    r.border_min_x, r.border_max_x = (tile["x"] + safe) / width, min((tile["x"] + tile["width"] + safe) / width, 1)
    r.border_min_y, r.border_max_y = (bottom + safe) / height, min((bottom + tile["height"] + safe) / height, 1)


def file_outputs(scene, mute):
    """Returns the names of the compositor's nodes that write files; mute turns them off."""
    found, seen = [], set()

    def search(tree):
        if tree is None or tree in seen:
            return
        seen.add(tree)
        for node in tree.nodes:
            if node.type == "OUTPUT_FILE" and not node.mute:
                found.append(node.name)
                node.mute = mute
            search(getattr(node, "node_tree", None))

    if scene.use_nodes and scene.render.use_compositing:
        search(scene.node_tree)
    return found


def simulations(scene):
    """Returns what depends on the frames before it and is not baked."""
    found = []

    def baked(cache):
        return cache is None or cache.is_baked or cache.use_external

    for o in scene.objects:
        if o.hide_render:
            continue
        for m in o.modifiers:
            if not m.show_render:
                continue
            if m.type in {"CLOTH", "SOFT_BODY"} and not baked(m.point_cache):
                found.append("%s: %s" % (o.name, m.name))
            if m.type == "DYNAMIC_PAINT" and m.canvas_settings:
                for surface in m.canvas_settings.canvas_surfaces:
                    if surface.surface_format != "IMAGE" and not baked(surface.point_cache):
                        found.append("%s: %s" % (o.name, m.name))
            if m.type == "FLUID" and m.fluid_type == "DOMAIN":
                d = m.domain_settings
                if not (d.has_cache_baked_data or d.cache_type == "ALL" and d.has_cache_baked_any):
                    found.append("%s: %s" % (o.name, m.name))
        for p in o.particle_systems:
            if p.settings.type == "EMITTER" and not baked(p.point_cache):
                found.append("%s: %s" % (o.name, p.name))
    world = scene.rigidbody_world
    if world and world.enabled and world.collection and len(world.collection.objects) and not baked(world.point_cache):
        found.append("rigid bodies")
    return sorted(set(found))


def scripts():
    """Returns what would run Python when the file is opened or rendered."""
    found = ["text %s" % t.name for t in bpy.data.texts if t.use_module]
    for name in dir(bpy.data):
        group = getattr(bpy.data, name, None)
        if not isinstance(group, bpy.types.bpy_prop_collection):
            continue
        for block in group:
            animation = getattr(block, "animation_data", None)
            for curve in animation.drivers if animation else []:
                if curve.driver.type == "SCRIPTED" and not curve.driver.is_simple_expression:
                    found.append("driver of %s: %s" % (block.name, curve.data_path))
    return sorted(set(found))


def files():
    """Returns the files that the scene reads and that are not packed into it."""
    found = {}

    def add(path, what, library=None):
        if path and not path.startswith("<"):
            found.setdefault(os.path.normpath(bpy.path.abspath(path, library=library)), what)

    for image in bpy.data.images:
        if image.source in {"FILE", "SEQUENCE", "MOVIE", "TILED"} and not image.packed_file and image.users:
            add(image.filepath, "image " + image.name, image.library)
    for sound in bpy.data.sounds:
        if not sound.packed_file:
            add(sound.filepath, "sound " + sound.name, sound.library)
    for font in bpy.data.fonts:
        if not font.packed_file and font.users:
            add(font.filepath, "font " + font.name, font.library)
    for library in bpy.data.libraries:
        if not library.packed_file:
            add(library.filepath, "library " + library.name)
    for group, what in ((bpy.data.movieclips, "clip "), (bpy.data.cache_files, "cache "), (bpy.data.volumes, "volume ")):
        for block in group:
            if not getattr(block, "packed_file", None):
                add(block.filepath, what + block.name, block.library)
    for path in bpy.utils.blend_paths(absolute=True, packed=False, local=False):
        if not any(same(path, known) for known in found):
            add(path, "file")
    return [{"path": p, "what": w} for p, w in sorted(found.items())]


def same(path, known):
    return os.path.normpath(path) == known


def describe(scene, settings, saved, problems):
    r = scene.render
    return {
        "blender": bpy.app.version_string + " " + bpy.app.build_hash.decode(errors="replace"),
        "scene": scene.name, "scenes": [s.name for s in bpy.data.scenes],
        "first": scene.frame_start, "last": scene.frame_end, "step": scene.frame_step,
        "fps": r.fps, "fpsBase": r.fps_base,
        "width": int(r.resolution_x * r.resolution_percentage / 100), "height": int(r.resolution_y * r.resolution_percentage / 100),
        "aspectX": r.pixel_aspect_x, "aspectY": r.pixel_aspect_y,
        "engine": r.engine, "camera": scene.camera.name if scene.camera else "",
        "alpha": r.film_transparent,
        "strips": len(pictures(scene)),
        "sounds": any(s.type == "SOUND" for s in strips(scene)),
        "soundRate": r.ffmpeg.audio_mixrate,
        "soundChannels": {"MONO": 1, "STEREO": 2, "SURROUND4": 4, "SURROUND51": 6, "SURROUND71": 8}.get(r.ffmpeg.audio_channels, 0),
        "files": files(), "fileOutputs": file_outputs(scene, False), "simulations": simulations(scene), "scripts": scripts(),
        "noDenoiser": denoiser(scene, False),
        "gpus": gpus() if settings.get("device") == "gpu" and r.engine == "CYCLES" else {}, "whole": whole(scene), "dithered": saved["dithered"], "adaptive": saved["adaptive"],
        "problems": problems,
    }


# What Cycles runs on a GPU comes with the official builds. That of Debian knows CUDA and HIP, but has no kernels for them.
KERNELS = {"OPTIX": "kernel_optix*", "CUDA": "kernel_sm_*", "HIP": "kernel_gfx*"}


def gpu_kinds():
    """Selects each kind of GPU that this Blender has kernels for, the fastest first, and yields it with whether this machine has one."""
    addon = bpy.context.preferences.addons.get("cycles")
    if not addon:
        return
    preferences = addon.preferences
    folder = os.path.join(os.path.dirname(sys.modules["cycles"].__file__), "lib")
    for kind in ("OPTIX", "CUDA", "HIP", "ONEAPI", "METAL"):
        if kind in KERNELS and not glob.glob(os.path.join(glob.escape(folder), KERNELS[kind])):
            continue
        try:
            preferences.compute_device_type = kind
        except TypeError:
            continue
        preferences.get_devices()
        yield kind, any(d.type == kind for d in preferences.devices)


def gpus():
    """Lists the kinds of GPU that this Blender has kernels for, up to the first that this machine has one of."""
    kinds = []
    for kind, found in gpu_kinds():
        kinds.append(kind)
        if found:
            return {"kinds": kinds, "found": True}
    return {"kinds": kinds, "found": False}


def use_gpu(scene):
    for kind, found in gpu_kinds():
        if found:
            for d in bpy.context.preferences.addons["cycles"].preferences.devices:
                d.use = d.type == kind
            scene.cycles.device = "GPU"
            return
    sys.exit("this Blender finds no GPU")


def mix(scene, task):
    """Mixes the sound of the sequencer down, from the beginning of a frame to the end of another."""
    before = scene.frame_start, scene.frame_end
    scene.frame_start, scene.frame_end = task["sound"]
    with bpy.context.temp_override(scene=scene):
        bpy.ops.sound.mixdown(filepath=os.path.join(task["output"], "sound.wav"), container="WAV", codec="PCM", format="S24")
    scene.frame_start, scene.frame_end = before


def render(scene, task, report):
    """Renders frames. Each file gets its name when it is whole. One that fails does not stop the others."""
    r = scene.render
    denoiser(scene, True)
    file_outputs(scene, True)
    if task["settings"].get("device") == "gpu" and r.engine == "CYCLES":
        use_gpu(scene)
    if task.get("tile"):
        place(r, task["tile"])
    failed = False
    for frame, name in task["frames"]:
        began = time.monotonic()
        partial = os.path.join(task["output"], "partial" + os.path.splitext(name)[1])
        line = {"frame": frame}
        try:
            scene.frame_set(frame)
            r.filepath = partial
            done = bpy.ops.render.render(write_still=True, scene=scene.name)
            if "FINISHED" not in done:
                raise RuntimeError("Blender says " + ", ".join(done))
            os.rename(partial, os.path.join(task["output"], name))
        except Exception as e:  # whatever Blender raises is the frame's failure
            line["error"], failed = str(e).strip(), True
        line["seconds"] = time.monotonic() - began
        report.write(json.dumps(line) + "\n")
        report.flush()
        ring(task)
    return 1 if failed else 0


def ring(task):
    """Says that there is something new to read."""
    if not task.get("bell"):
        return
    try:
        bell = os.open(task["bell"], os.O_WRONLY | os.O_NONBLOCK)
        try:
            os.write(bell, b".")
        finally:
            os.close(bell)
    except OSError:  # mapreel also looks by itself
        pass


def prepare(settings):
    """Applies the settings. Returns the scene, what it had before, and what is wrong with the settings."""
    problems = []
    wanted = settings.get("scene", "")
    scene = bpy.data.scenes.get(wanted) if wanted else bpy.context.scene
    if scene is None:
        problems.append({"pointer": "/render/scene", "message": "the file has no scene %r; it has %s" % (wanted, ", ".join(repr(s.name) for s in bpy.data.scenes))})
        scene = bpy.context.scene
    if bpy.context.window:
        bpy.context.window.scene = scene
    saved = {
        "dithered": scene.render.dither_intensity > 0,
        "adaptive": bool(hasattr(scene, "cycles") and scene.cycles.use_adaptive_sampling),
    }
    choose(scene, settings, problems)
    return scene, saved, problems


def perform(task, scene, saved, problems):
    """Does a task, and returns the exit code."""
    if task.get("output"):
        os.makedirs(task["output"], exist_ok=True)
    with open(task["report"], "w") as report:
        if task.get("sound"):
            mix(scene, task)
        elif task.get("frames"):
            return render(scene, task, report)
        else:
            json.dump(describe(scene, task["settings"], saved, problems), report)
    return 0


def await_task(path):
    """Waits until a task appears, and returns it. Who writes it has given it its name when it was whole."""
    while True:
        try:
            with open(path) as f:
                return json.load(f)
        except FileNotFoundError:
            time.sleep(0.01)


def main():
    following, prepared = sys.argv[-1], None
    while following:
        task = await_task(following)
        began = time.process_time() if prepared else 0  # the first task includes the start
        prepared = prepared or prepare(task["settings"])
        code = perform(task, *prepared)
        if code:
            sys.exit(code)
        following = task.get("next")
        if following:
            with open(task["done"] + ".partial", "w") as f:
                json.dump({"cpu": time.process_time() - began}, f)
            os.rename(task["done"] + ".partial", task["done"])
            ring(task)


main()
