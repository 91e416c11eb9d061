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

    /// <summary>What the program is started by: its name, or the runtime and its file.</summary>
    public required IReadOnlyList<string> Program { get; init; }

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
        Program = ProgramOfProcess(),
    };

    // A command that is shown can be copied into the shell it was typed in.
    private static IReadOnlyList<string> ProgramOfProcess()
    {
        string file = Environment.ProcessPath ?? "backprop";
        if (Path.GetFileNameWithoutExtension(file) == "dotnet")
        {
            return ["dotnet", Shortest(Path.Combine(AppContext.BaseDirectory, "backprop.dll"))];
        }

        string[] searched = (Environment.GetEnvironmentVariable("PATH") ?? "")
            .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);
        bool isFound = searched.Contains(Path.GetDirectoryName(file));
        return [isFound ? Path.GetFileName(file) : Shortest(file)];
    }

    private static string Shortest(string file)
    {
        string relative = Path.GetRelativePath(Directory.GetCurrentDirectory(), file);
        bool isBelow = !relative.StartsWith("..", StringComparison.Ordinal)
            && relative.Contains(Path.DirectorySeparatorChar);
        return isBelow ? relative : file;
    }
}
