using System.Net;
using Backprop.Console.Client;

namespace Backprop.Console.Tests.Hosting;

/// <summary>A node with TLS, as its users meet it.</summary>
public sealed class SecureNodeTests : IDisposable
{
    private readonly ScratchDirectory _scratch = new();

    private string Authority => Path.Combine(_scratch.Path, "authority.pem");

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task Users_reach_it_who_know_its_authority()
    {
        await using MeasuredNode node = await StartAsync();
        await node.JoinAsync();
        Assert.Equal(("https", "https"), (node.Api.Scheme, node.Listener.Scheme));

        CommandRun runs = CommandRun.Of(
            "runs", "--server", $"{node.Api}", "--authority", Authority);
        Assert.Equal((ExitCode.Done, ""), (runs.ExitCode, runs.Error));
        CommandRun health = CommandRun.With(
            new Surroundings
            {
                Variables = new Dictionary<string, string>
                {
                    [TrustedAuthority.Variable] = Authority,
                },
            },
            "health", "--live", "--server", $"{node.Listener}");
        Assert.Equal((ExitCode.Done, ""), (health.ExitCode, health.Error));
    }

    [Fact]
    public async Task Nobody_is_taken_for_it()
    {
        await using MeasuredNode node = await StartAsync();
        await node.JoinAsync();
        CommandRun unknown = CommandRun.Of("runs", "--server", $"{node.Api}");
        Assert.Contains(
            $"what answers at {node.Api} is not known to be the cluster", unknown.Error);
        Assert.Contains("--authority", unknown.Error);

        // Its certificate is for this machine's names, and this one is another.
        var elsewhere = new UriBuilder(node.Api) { Host = "127.0.0.2" };
        CommandRun other = CommandRun.Of(
            "runs", "--server", $"{elsewhere.Uri}", "--authority", Authority);
        Assert.Equal(ExitCode.Failure, other.ExitCode);

        CommandRun plain = CommandRun.Of("runs", "--server", $"http://127.0.0.1:{node.Api.Port}");
        Assert.Equal(ExitCode.Failure, plain.ExitCode);
    }

    [Fact]
    public async Task A_login_is_told_to_browsers_for_TLS_only()
    {
        await using MeasuredNode node = await StartAsync(
            ("BACKPROP__API__TOKENS", "required"));
        await node.JoinAsync();
        using var http = new HttpClient(TrustedAuthority.Handler(
            Authority, new Dictionary<string, string>()));
        using HttpResponseMessage refused = await http.GetAsync(new Uri(node.Api, "api/v1/runs"));
        Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
        string token = CommandRun.Of(
            "token", "create", "--role", "viewer", "--state", node.State).Output.Trim();
        using HttpResponseMessage login = await http.PostAsync(
            new Uri(node.Api, "api/v1/session"),
            new StringContent($$"""{"token":"{{token}}"}""", null, "application/json"));
        Assert.Equal(HttpStatusCode.NoContent, login.StatusCode);
        Assert.All(
            login.Headers.GetValues("Set-Cookie"), cookie => Assert.Contains("secure", cookie));
    }

    [Theory]
    [InlineData("--host 10.1.2.3", "control messages and tensor links at 10.1.2.3 without TLS")]
    public void A_node_that_others_reach_needs_TLS_or_a_word(string options, string message)
    {
        CommandRun run = CommandRun.Of(
            ["node", "--state", _scratch.Path, .. options.Split(' ')]);
        Assert.StartsWith("backprop: other machines would reach " + message, run.Error);
        Assert.Contains("--insecure", run.Error);
        Assert.Equal((ExitCode.Mistake, ""), (run.ExitCode, run.Output));
    }

    private Task<MeasuredNode> StartAsync(params (string, string)[] variables)
    {
        CommandRun.Succeeds("certs", "init", "--directory", _scratch.Path);
        CommandRun.Succeeds(
            "certs", "issue", "node", "--directory", _scratch.Path, "--roles",
            "coordinator,parameter-server,worker");
        return MeasuredNode.StartAsync(
            isMeasured: true,
            [
                ("BACKPROP__TLS__AUTHORITY", Authority),
                ("BACKPROP__TLS__CERTIFICATE", Path.Combine(_scratch.Path, "node.pem")),
                ("BACKPROP__TLS__KEY", Path.Combine(_scratch.Path, "node-key.pem")),
                .. variables,
            ]);
    }
}
