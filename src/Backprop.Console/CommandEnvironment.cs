using System.Collections;
using Spectre.Console;

namespace Backprop.Console;

/// <summary>What a command works with beside its arguments; tests hand in their own.</summary>
internal sealed record CommandEnvironment
{
    private const int LeastWidth = 60;
    private const int MostWidth = 160;
    private const int WidthWhenRedirected = 80;

    /// <summary>Where results go.</summary>
    public required TextWriter Output { get; init; }

    /// <summary>Where mistakes and failures go.</summary>
    public required TextWriter Error { get; init; }

    /// <summary>The terminal for live progress; null: output is redirected, plain lines are
    /// written.</summary>
    public required IAnsiConsole? Terminal { get; init; }

    /// <summary>Environment variables.</summary>
    public required IReadOnlyDictionary<string, string> Variables { get; init; }

    /// <summary>The clock.</summary>
    public required TimeProvider Time { get; init; }

    /// <summary>Begins to listen for the wish to end early; the caller disposes the result.
    /// </summary>
    public required Func<Interruption> ListenForInterruption { get; init; }

    /// <summary>Columns to use.</summary>
    public int Width => Terminal is null
        ? WidthWhenRedirected
        : Math.Clamp(Terminal.Profile.Width, LeastWidth, MostWidth);

    /// <summary>That of this process.</summary>
    public static CommandEnvironment OfProcess() => new()
    {
        Output = System.Console.Out,
        Error = System.Console.Error,
        Terminal = System.Console.IsOutputRedirected ? null : AnsiConsole.Console,
        Variables = Environment.GetEnvironmentVariables().Cast<DictionaryEntry>()
            .ToDictionary(entry => (string)entry.Key, entry => (string?)entry.Value ?? ""),
        Time = TimeProvider.System,
        ListenForInterruption = Interruption.OfSignals,
    };
}
