namespace Backprop.Engine.Kernels;

/// <summary>Windows that slide along one axis of an image. Position o of the field, which is what
/// they make of the image, sees tap k of its window at o·stride + k·dilation − before.</summary>
/// <param name="Image">The image's length.</param>
/// <param name="Kernel">Taps of a window.</param>
/// <param name="Stride">From a window to the next.</param>
/// <param name="Dilation">From a tap to the next.</param>
/// <param name="Before">Padding before the image.</param>
/// <param name="After">Padding after it.</param>
internal readonly record struct WindowAxis(
    int Image, int Kernel, int Stride, int Dilation, int Before, int After)
{
    /// <summary>From the first tap to the last, both counted.</summary>
    public int Span => (Kernel - 1) * Dilation + 1;

    /// <summary>Windows: the field's length.</summary>
    public int Field => (Before + Image + After - Span) / Stride + 1;

    /// <summary>The first tap of a window that lies in the image.</summary>
    public int FirstTap(int position) =>
        Math.Max(0, (Before - position * Stride + Dilation - 1) / Dilation);

    /// <summary>One past the last tap of a window that lies in the image.</summary>
    public int EndTap(int position) => (int)Math.Min(
        Kernel, ((long)Image - 1 + Before - (long)position * Stride + Dilation) / Dilation);

    /// <summary>Where in the image a tap lies.</summary>
    public int At(int position, int tap) => position * Stride + tap * Dilation - Before;
}

/// <summary>Outputs along one axis whose windows have the same taps at the same distances.
/// </summary>
/// <param name="Start">The first output.</param>
/// <param name="OutputStep">From an output to the next.</param>
/// <param name="Count">Outputs.</param>
/// <param name="FirstTap">The kernel's tap that comes first.</param>
/// <param name="TapStep">From a tap of the kernel to the next one that counts.</param>
/// <param name="Taps">Taps that count; may be none.</param>
/// <param name="Source">Where the first output's first tap reads, in the padded source.</param>
/// <param name="SourcePerTap">From where a tap reads to where the next does.</param>
/// <param name="SourcePerOutput">From where an output's tap reads to where the next output's
/// does.</param>
internal readonly record struct GatherPhase(
    int Start, int OutputStep, int Count, int FirstTap, int TapStep, int Taps, int Source,
    int SourcePerTap, int SourcePerOutput);

/// <summary>
/// One axis of a product that gathers: forward, the field gathers from the image; backward, the
/// image gathers from the field, each pixel from the windows that see it. With a stride, pixels
/// that lie at the same place between windows are seen by the same taps: a phase.
/// </summary>
internal readonly struct GatherAxis
{
    private readonly WindowAxis _windows;
    private readonly bool _isBackward;

    public GatherAxis(in WindowAxis windows, bool isBackward)
    {
        _windows = windows;
        _isBackward = isBackward;
        if (!isBackward)
        {
            (Source, Output, Phases) = (windows.Image, windows.Field, 1);
            (Low, High) = (windows.Before, windows.After);
            return;
        }

        (Source, Output) = (windows.Field, windows.Image);
        Phases = Math.Min(windows.Stride, windows.Image);
        long reach = (long)windows.Span - 1 - windows.Before;
        Low = (int)Math.Max(0, (reach + windows.Stride - 1) / windows.Stride);
        High = (int)Math.Max(
            0, ((long)windows.Image - 1 + windows.Before) / windows.Stride - windows.Field + 1);
    }

    /// <summary>The source's length.</summary>
    public int Source { get; }

    /// <summary>Zeros before it.</summary>
    public int Low { get; }

    /// <summary>Zeros after it.</summary>
    public int High { get; }

    /// <summary>The source's length with its padding.</summary>
    public int Padded => Low + Source + High;

    /// <summary>The output's length.</summary>
    public int Output { get; }

    /// <summary>Phases, one at least.</summary>
    public int Phases { get; }

    /// <summary>A phase.</summary>
    public GatherPhase Phase(int index)
    {
        WindowAxis w = _windows;
        if (!_isBackward)
        {
            return new GatherPhase(
                0, 1, w.Field, 0, 1, w.Kernel, 0, w.Dilation, w.Stride);
        }

        // Tap k sees pixel i from window (i + before − k·dilation) / stride, where that is whole.
        int count = (w.Image - index + w.Stride - 1) / w.Stride;
        int first = 0;
        int limit = Math.Min(w.Kernel, w.Stride);
        while (first < limit && (index + w.Before - (long)first * w.Dilation) % w.Stride != 0)
        {
            first++;
        }

        if (first == limit)
        {
            return new GatherPhase(index, w.Stride, count, 0, 1, 0, 0, 0, 1);
        }

        int step = w.Stride / GreatestDivisor(w.Stride, w.Dilation);
        int window = (int)((index + w.Before - (long)first * w.Dilation) / w.Stride);
        return new GatherPhase(
            index, w.Stride, count, first, step, (w.Kernel - first + step - 1) / step,
            window + Low, -(int)((long)step * w.Dilation / w.Stride), 1);
    }

    private static int GreatestDivisor(int a, int b) => b == 0 ? a : GreatestDivisor(b, a % b);
}
