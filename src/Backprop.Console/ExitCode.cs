namespace Backprop.Console;

/// <summary>What the program tells whoever started it.</summary>
internal static class ExitCode
{
    /// <summary>Done.</summary>
    public const int Done = 0;

    /// <summary>It failed: no memory, no space, a loss that is not finite, gradients that differ.
    /// </summary>
    public const int Failure = 1;

    /// <summary>The user's mistake: a bad command line, specification, file or value.</summary>
    public const int Mistake = 2;

    /// <summary>Interrupted by Ctrl-C or SIGTERM, as shells count it; the run can be resumed.
    /// </summary>
    public const int Interrupted = 130;
}
