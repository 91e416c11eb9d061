using System.Text.Json;
using Spectre.Console;

namespace Backprop.Console.Tests;

/// <summary>What a command came to, run in this process with the repository as its working
/// directory.</summary>
internal sealed record CommandRun(int ExitCode, string Output, string Error)
{
    static CommandRun() => Directory.SetCurrentDirectory(Root);

    public static string Root { get; } = FindRoot();

    public static CommandRun Of(params string[] arguments) => With(new(), arguments);

    public static CommandRun With(Surroundings surroundings, params string[] arguments)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        int exitCode = BackpropCommandLine.Run(arguments, new CommandEnvironment
        {
            Output = output,
            Error = error,
            Terminal = surroundings.Terminal,
            HasKeyboard = surroundings.HasKeyboard,
            Variables = surroundings.Variables,
            Time = surroundings.Time,
            ListenForInterruption = () => surroundings.Interruption,
            Program = ["backprop"],
        });
        return new CommandRun(exitCode, output.ToString(), error.ToString());
    }

    /// <summary>A run that has to succeed.</summary>
    public static CommandRun Succeeds(params string[] arguments)
    {
        CommandRun run = Of(arguments);
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        return run;
    }

    /// <summary>A run that has to fail, with a message and no stack trace.</summary>
    public static void Fails(int exitCode, string message, params string[] arguments)
    {
        CommandRun run = Of(arguments);
        Assert.StartsWith("backprop: ", run.Error);
        Assert.Contains(message, run.Error);
        Assert.Equal(exitCode, run.ExitCode);
        Assert.DoesNotContain("   at ", run.Error);
    }

    /// <summary>The summary that a run left in its directory.</summary>
    public static JsonElement Summary(string directory)
    {
        using var document = JsonDocument.Parse(
            File.ReadAllText(Path.Combine(directory, "summary.json")));
        return document.RootElement.Clone();
    }

    public static string Weights(string directory) =>
        Summary(directory).GetProperty("weights-sha256").GetString()!;

    private static string FindRoot()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "global.json")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName
            ?? throw new InvalidOperationException("the tests do not run within the repository");
    }
}

/// <summary>What a command finds around it.</summary>
internal sealed record Surroundings
{
    public IAnsiConsole? Terminal { get; init; }

    public bool HasKeyboard { get; init; }

    public IReadOnlyDictionary<string, string> Variables { get; init; } =
        new Dictionary<string, string>();

    public TimeProvider Time { get; init; } = TimeProvider.System;

    public Interruption Interruption { get; init; } = new();
}

/// <summary>The clock, which interrupts the run as soon as a condition holds: the trainer reads it
/// after every step.</summary>
internal sealed class InterruptingTime(Interruption interruption, Func<bool> when) : TimeProvider
{
    public override long GetTimestamp()
    {
        if (!interruption.Token.IsCancellationRequested && when())
        {
            interruption.Request();
        }

        return base.GetTimestamp();
    }
}
