using System.Diagnostics;

namespace Backprop.Console.Tests.Commands;

public sealed class CompletionCommandTests
{
    [Theory]
    [InlineData("tr", "train")]
    [InlineData("cluster ", "down|status|up")]
    [InlineData("train --wor", "--workers")]
    [InlineData("evaluate model.bpm --part ", "test|training|validation")]
    [InlineData("train ", "")]
    [InlineData("completion ", "bash|fish|pwsh|zsh")]
    public void A_line_is_completed(string line, string words) =>
        Assert.Equal(words.Split('|', StringSplitOptions.RemoveEmptyEntries), Suggested(line));

    [Fact]
    public void Every_command_has_its_JSON_and_its_help_among_its_options() =>
        Assert.Superset(new HashSet<string> { "--json", "--help", "--server" },
            Suggested("watch --").ToHashSet());

    [Fact]
    public void Where_no_cluster_answers_there_are_no_names_and_no_message()
    {
        CommandRun run = CommandRun.Of("[suggest]", "watch --server http://127.0.0.1:1 ");

        Assert.Equal((0, "", ""), (run.ExitCode, run.Output, run.Error));
    }

    [Theory]
    [InlineData("--help")]
    [InlineData("watch", "--help")]
    public void Help_asks_no_cluster(params string[] arguments) =>
        Assert.Contains("--json", CommandRun.Succeeds(arguments).Output);

    [Fact]
    public async Task The_names_of_runs_are_completed()
    {
        await using ServedCluster cluster = await ServedCluster.StartAsync();
        using HttpClient http = cluster.Client();
        await cluster.SubmitAsync(http, Specifications.ClusterMoons);

        // A busy machine may not answer in the time that there is.
        string[] names = [];
        for (int tries = 0; names.Length == 0 && tries < 60; tries++)
        {
            names = Suggested($"watch --server {cluster.Address} ");
        }

        Assert.Equal(["latest", "moons-1"], names.Order(StringComparer.Ordinal));
    }

    [SkippableFact]
    public void Bash_completes_by_the_script()
    {
        Skip.IfNot(File.Exists("/bin/bash"), "there is no bash here");
        string program = Path.Combine(AppContext.BaseDirectory, "backprop.dll");
        string script = CommandRun.Succeeds("completion", "bash").Output;

        Assert.Equal("train", Completed(script, program, "backprop tra", 1));
        Assert.Equal("--workers", Completed(script, program, "backprop train x --worke", 3));
        Assert.Equal("down status up", Completed(script, program, "backprop cluster ", 2));
    }

    private static string[] Suggested(string line) => CommandRun
        .Succeeds($"[suggest:{line.Length}]", line).Output
        .Split('\n', StringSplitOptions.RemoveEmptyEntries);

    // As bash calls it when Tab is pressed at the end of the line.
    private static string Completed(string script, string program, string line, int word)
    {
        string test = $$"""
            backprop() { dotnet "{{program}}" "$@"; }
            {{script}}
            COMP_LINE='{{line}}' COMP_POINT={{line.Length}} COMP_CWORD={{word}}
            COMP_WORDS=({{line}})
            [[ $COMP_LINE == *' ' ]] && COMP_WORDS+=('')
            _backprop
            echo "${COMPREPLY[*]}"
            """;
        var start = new ProcessStartInfo("/bin/bash", ["--norc", "-c", test])
        {
            RedirectStandardOutput = true,
        };
        using Process bash = Process.Start(start)!;
        string output = bash.StandardOutput.ReadToEnd();
        Assert.True(bash.WaitForExit(TimeSpan.FromSeconds(60)));
        return output.Trim();
    }
}
