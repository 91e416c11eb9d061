namespace Backprop.Console.Tests.Commands;

/// <summary><c>backprop top</c> against a real cluster.</summary>
public sealed class TopCommandTests
{
    [Fact]
    public async Task Redirected_it_writes_what_there_is_and_ends()
    {
        await using ServedCluster cluster = await ServedCluster.StartAsync();
        using HttpClient http = cluster.Client();
        string run = await cluster.SubmitAsync(http, Specifications.ClusterMoons);
        await cluster.AwaitEndAsync(http, run);

        CommandRun shown = cluster.Run("top");

        Assert.Equal((0, ""), (shown.ExitCode, shown.Error));
        Assert.Contains("3 nodes  1 run, 0 open", shown.Output);
        Assert.Matches(@"moons-1 +completed +━+ +100\.0%", shown.Output);
        Assert.All(shown.Output.Split('\n'), line => Assert.InRange(line.Length, 0, 80));
        Assert.DoesNotContain('\u001b', shown.Output);
    }

    [Fact]
    public async Task In_a_terminal_a_user_finds_a_run_stops_it_and_quits()
    {
        await using ServedCluster cluster = await ServedCluster.StartAsync();
        using HttpClient http = cluster.Client();
        string run = await cluster.SubmitAsync(http, Specifications.Moons
            .Replace("every-steps = 20", "every-epochs = 1000")
            .Replace("epochs = 8", "epochs = 1000000"));
        using var terminal = new UsedTerminal(
            ("> moons-1", UsedTerminal.Key(ConsoleKey.Enter)),
            ("■", UsedTerminal.Letter('s')),
            ($"stop {run} for good?", UsedTerminal.Letter('y')),
            ($"stop {run}: done", UsedTerminal.Letter('q')));

        CommandRun shown = CommandRun.With(
            new Surroundings { Terminal = terminal, HasKeyboard = true },
            "top", "--server", cluster.Address.ToString());

        Assert.Equal((0, "", ""), (shown.ExitCode, shown.Output, shown.Error));
        await cluster.AwaitEndAsync(http, run);
        Assert.Contains("stopped", cluster.Run("runs").Output);

        // The alternate screen is entered and left, the cursor hidden and shown.
        Assert.Equal(1, Count(terminal.Output, "\u001b[?1049h"));
        Assert.Equal(1, Count(terminal.Output, "\u001b[?1049l"));
        Assert.Equal(
            Count(terminal.Output, "\u001b[?25l"), Count(terminal.Output, "\u001b[?25h"));
    }

    private static int Count(string text, string part) => text.Split(part).Length - 1;
}
