using System.Diagnostics;

namespace Backprop.Console.Tests.Commands;

/// <summary>Ctrl-C, sent to a process of its own.</summary>
public sealed class InterruptTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(4);

    // Long enough that the signal arrives while it trains.
    private static readonly string s_long = Specifications.Moons
        .Replace("units = 8,", "units = 256,").Replace("samples = 200", "samples = 2000")
        .Replace("every-steps = 20", "every = 1h").Replace("epochs = 8", "epochs = 160");

    [SkippableTheory]
    [InlineData]
    [InlineData("--workers", "2", "--parameter-servers", "2")]
    public async Task The_command_that_an_interrupted_run_prints_ends_in_the_same_bits(
        params string[] cluster)
    {
        Skip.If(OperatingSystem.IsWindows(), "signals are sent as Unix sends them");
        using var scratch = new ScratchDirectory();
        string specification = scratch.Write("long.conf", s_long);
        CommandRun.Succeeds("train", specification, "--output", scratch["undisturbed"]);

        string program = Path.Combine(AppContext.BaseDirectory, "backprop.dll");
        // Whoever is started in the background ignores Ctrl-C, and hands that on.
        string[] heedful = OperatingSystem.IsLinux() ? ["--default-signal=INT"] : [];
        using Process process = Start(
            "env",
            [
                .. heedful, "dotnet", program, "train", specification, "--output", scratch["run"],
                .. cluster,
            ]);
        string? line = await process.StandardOutput.ReadLineAsync();
        Assert.StartsWith("epoch ", line);
        using (Process kill = Start("kill", "-INT", $"{process.Id}"))
        {
            kill.WaitForExit();
        }

        string output = await End(process);
        Assert.Equal(ExitCode.Interrupted, process.ExitCode);
        string resume = output.Split('\n').Single(text => text.StartsWith("resume with: "))
            ["resume with: ".Length..];

        using Process resumed = Start("sh", "-c", resume);
        Assert.Contains("resumed at step", await End(resumed));
        Assert.Equal(ExitCode.Done, resumed.ExitCode);
        Assert.Equal(
            CommandRun.Weights(scratch["undisturbed"]), CommandRun.Weights(scratch["run"]));
    }

    private static Process Start(string program, params string[] arguments) =>
        Process.Start(new ProcessStartInfo(program, arguments)
        {
            RedirectStandardOutput = true,
            WorkingDirectory = CommandRun.Root,
        }) ?? throw new InvalidOperationException($"{program} did not start");

    private static async Task<string> End(Process process)
    {
        using var patience = new CancellationTokenSource(s_patience);
        string output = await process.StandardOutput.ReadToEndAsync(patience.Token);
        await process.WaitForExitAsync(patience.Token);
        return output;
    }
}
