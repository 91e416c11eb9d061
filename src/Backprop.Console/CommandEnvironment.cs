using System.Collections;
using System.CommandLine;
using System.Text.Json;
using Backprop.Console.Api;
using Backprop.Console.Commands;
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

    /// <summary>Whether keys can be read that a user presses.</summary>
    public bool HasKeyboard { get; init; }

    /// <summary>Whether results are written as JSON, and nothing for people.</summary>
    public bool IsJson { get; init; }

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

    /// <summary>As a command line wants it: with <c>--json</c> nobody looks at a terminal.
    /// </summary>
    public CommandEnvironment For(ParseResult result) => SharedOptions.IsJson(result)
        ? this with { IsJson = true, Terminal = null }
        : this;

    /// <summary>Writes a command's one result, for people or for programs.</summary>
    /// <param name="document">For programs, with names as the API has them.</param>
    /// <param name="lines">For people.</param>
    public void Answer<T>(T document, IEnumerable<string> lines)
    {
        if (IsJson)
        {
            Output.WriteLine(JsonSerializer.Serialize(document, ApiJson.Options));
            return;
        }

        foreach (string line in lines)
        {
            Output.WriteLine(line);
        }
    }

    /// <summary>Writes what has happened as a line of JSON, at once.</summary>
    /// <param name="kind">What kind of event it is.</param>
    /// <param name="data">What it says.</param>
    /// <param name="id">How far a reader has come with it; null: nothing can be gone on from.
    /// </param>
    public void Tell<T>(string kind, T data, string? id = null)
    {
        Output.WriteLine(
            JsonSerializer.Serialize(new EventLine<T>(kind, id, data), ApiJson.Options));
        Output.Flush();
    }

    /// <summary>That of this process.</summary>
    public static CommandEnvironment OfProcess() => new()
    {
        Output = System.Console.Out,
        Error = System.Console.Error,
        Terminal = System.Console.IsOutputRedirected ? null : AnsiConsole.Console,
        HasKeyboard = !System.Console.IsInputRedirected,
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

/// <summary>What has happened, as a line of JSON.</summary>
/// <param name="Event">What kind of event it is.</param>
/// <param name="Id">How far a reader has come with it; null: nothing can be gone on from.</param>
/// <param name="Data">What it says.</param>
internal sealed record EventLine<T>(string Event, string? Id, T Data);
