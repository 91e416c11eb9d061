using System.Diagnostics;
using Backprop.Chaos.Processes;
using Backprop.Console.Client;
using Backprop.Distributed.Access;

namespace Backprop.Console.Tests.Access;

/// <summary>Tokens by the command line, and a node that wants them.</summary>
public sealed class TokenCommandTests : IDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(2);
    private static readonly Uri s_server = new("http://127.0.0.1:8470/");

    private readonly ScratchDirectory _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public void A_token_is_made_before_any_node_runs_and_shown_once()
    {
        CommandRun made = Run("create", "--role", "viewer", "--name", "grafana");
        Assert.Equal(ExitCode.Done, made.ExitCode);
        string token = made.Output.TrimEnd();
        Assert.True(TokenText.TryParse(token, out string? id));
        Assert.Contains("nobody can show it again", made.Error);

        CommandRun listed = Run("list");
        Assert.Matches($@"{id} +viewer +grafana +\d{{4}}-\d\d-\d\d .* +never +good", listed.Output);
        Assert.DoesNotContain(token[16..], listed.Output);

        Assert.Contains($"{id} is revoked", Run("revoke", id).Output);
        Assert.Matches($"{id} .* revoked", Run("list").Output);
        foreach (string file in Directory.GetFiles(_scratch.Path))
        {
            Assert.DoesNotContain(token[16..], File.ReadAllText(file));
        }
    }

    [Theory]
    [InlineData("--role root", "root")]
    [InlineData("", "--role")]
    [InlineData("--role viewer --expires soon", "--expires: 'soon' is no time")]
    [InlineData("--role viewer --expires 0d", "--expires: '0d' is no time")]
    [InlineData("--role viewer --expires 9999999d", "no time up to 3650d")]
    public void A_mistake_is_told(string arguments, string message)
    {
        CommandRun run = Run(
            ["create", .. arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries)]);
        Assert.Equal(ExitCode.Mistake, run.ExitCode);
        Assert.Contains(message, run.Error);
    }

    [Fact]
    public void There_is_nothing_to_revoke_or_list_where_nothing_was_made()
    {
        Assert.Contains("there is no token 'abc'", Run("revoke", "abc").Error);
        Assert.Contains("there are no tokens", Run("list").Output);
    }

    [Fact]
    public void A_token_is_kept_for_one_cluster_and_from_other_users()
    {
        string file = _scratch["home/token"];
        string first = TokenText.Generate().Text, second = TokenText.Generate().Text;
        var other = new Uri("https://console.example.org/");
        ClientToken.Save(s_server, first, file);
        ClientToken.Save(other, second, file);
        ClientToken.Save(s_server, second, file);
        ClientToken.Save(s_server, first, file);

        Assert.Equal(first, Find(s_server)?.Text);
        Assert.Equal(second, Find(other)?.Text);
        Assert.Null(Find(new Uri("http://127.0.0.1:8471/")));
        Assert.DoesNotContain(first, $"{Find(s_server)}");
        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(
                UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
            File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.OtherRead);
            var refusal = Assert.Throws<MistakeException>(() => Find(s_server));
            Assert.Contains("chmod 600", refusal.Message);
        }

        ClientToken? Find(Uri server) => ClientToken.Find(
            null, server, new Dictionary<string, string>(), file);
    }

    [Fact]
    public void The_option_goes_before_the_variable_and_that_before_the_file()
    {
        string file = _scratch["token"];
        string[] tokens = [.. Enumerable.Range(0, 3).Select(_ => TokenText.Generate().Text)];
        ClientToken.Save(s_server, tokens[2], file);
        var variables = new Dictionary<string, string> { [ClientToken.Variable] = tokens[1] };
        Assert.Equal(tokens[0], ClientToken.Find(tokens[0], s_server, variables, file)!.Text);
        Assert.Equal(tokens[1], ClientToken.Find(null, s_server, variables, file)!.Text);
        var mistake = Assert.Throws<MistakeException>(
            () => ClientToken.Find("hunter2", s_server, variables, file));
        Assert.DoesNotContain("hunter2", mistake.Message);
    }

    [Fact]
    public async Task A_node_takes_tokens_and_tells_none()
    {
        string token = Run("create", "--role", "operator").Output.TrimEnd();
        string viewer = Run("create", "--role", "viewer").Output.TrimEnd();
        using Process node = StartNode();
        try
        {
            (string output, Uri api) = await ReadyAsync(node);
            Assert.Contains("access    with a token", output);

            CommandRun without = Ask(api, null, "runs");
            Assert.Equal(ExitCode.Mistake, without.ExitCode);
            Assert.Contains("wants a token", without.Error);
            Assert.Contains("BACKPROP_TOKEN", without.Error);
            Assert.Contains("no runs yet", Ask(api, token, "runs").Output);
            CommandRun unknown = Ask(api, TokenText.Generate().Text, "runs");
            Assert.Contains("does not take the token of BACKPROP_TOKEN", unknown.Error);

            string moons = _scratch.Write("moons.conf", Specifications.Moons.Replace(
                "every-steps = 20", "every-epochs = 1"));
            CommandRun weak = Ask(api, viewer, "submit", moons);
            Assert.Contains("this takes the role operator", weak.Error);
            CommandRun outside = Ask(api, token, "submit", _scratch.Write(
                "outside.conf", Specifications.Iris("softmax-cross-entropy", "/etc/passwd")));
            Assert.Equal(ExitCode.Mistake, outside.ExitCode);
            Assert.Matches(
                @"outside\.conf:\d+:\d+: data\.train\.csv\.files: '/etc/passwd' lies outside",
                outside.Error);
            Assert.Equal(ExitCode.Done, Ask(api, token, "submit", moons, "--watch").ExitCode);
            string others = await EndAsync(node);
            foreach (string secret in (string[])[token[16..], viewer[16..]])
            {
                Assert.DoesNotContain(secret, output + others);
            }
        }
        finally
        {
            if (!node.HasExited)
            {
                node.Kill(entireProcessTree: true);
            }
        }
    }

    private CommandRun Run(params string[] arguments) =>
        CommandRun.Of(["token", .. arguments, "--state", _scratch.Path]);

    private static CommandRun Ask(Uri api, string? token, params string[] arguments) =>
        CommandRun.With(
            new Surroundings
            {
                Variables = token is null ? new Dictionary<string, string>()
                    : new Dictionary<string, string> { [ClientToken.Variable] = token },
            },
            [.. arguments, "--server", api.ToString()]);

    private Process StartNode() => Process.Start(BackpropProgram.Command(
        new Dictionary<string, string>
        {
            ["HOME"] = _scratch.Path,
            ["BACKPROP__API__TOKENS"] = "required",
            ["BACKPROP__NODE__PORT"] = "0",
            ["BACKPROP__LINKS__PORT"] = "0",
        },
        "node", "--state", _scratch.Path, "--api-port", "0", "--threads", "1"))!;

    private static async Task<(string Output, Uri Api)> ReadyAsync(Process node)
    {
        using var limit = new CancellationTokenSource(s_patience);
        string output = "";
        while (!output.EndsWith("ready\n", StringComparison.Ordinal))
        {
            string? line = await node.StandardOutput.ReadLineAsync(limit.Token);
            if (line is null)
            {
                Assert.Fail(output + await node.StandardError.ReadToEndAsync(limit.Token));
            }

            output += $"{line}\n";
        }

        string api = output.Split('\n').Single(
            line => line.StartsWith("api ", StringComparison.Ordinal));
        return (output, new Uri(api["api".Length..].Trim()));
    }

    private static async Task<string> EndAsync(Process node)
    {
        using var limit = new CancellationTokenSource(s_patience);
        using Process signal = Process.Start("kill", $"{node.Id}");
        string rest = await node.StandardOutput.ReadToEndAsync(limit.Token)
            + await node.StandardError.ReadToEndAsync(limit.Token);
        await node.WaitForExitAsync(limit.Token);
        return rest;
    }
}
