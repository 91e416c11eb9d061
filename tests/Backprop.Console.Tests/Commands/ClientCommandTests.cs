using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace Backprop.Console.Tests.Commands;

/// <summary>The commands that ask a cluster, against a real one over HTTP.</summary>
public sealed class ClientCommandTests : IDisposable
{
    private readonly ScratchDirectory _scratch = new();
    private readonly string _moons;

    public ClientCommandTests() => _moons = _scratch.Write(
        "moons.conf", Specifications.Moons.Replace("every-steps = 20", "every-epochs = 1"));

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task A_run_is_submitted_watched_listed_and_downloaded()
    {
        await using ServedCluster cluster = await ServedCluster.StartAsync();
        CommandRun.Succeeds("train", _moons, "--output", _scratch["single"]);

        CommandRun submitted = cluster.Run("submit", _moons, "--watch", "--priority", "3");

        Assert.Equal((0, ""), (submitted.ExitCode, submitted.Error));
        Assert.StartsWith("submitted: moons-1", submitted.Output);
        Assert.Contains("epoch 8/8  step 160  loss ", submitted.Output);
        Assert.Contains("moons-1: all 8 epochs are done", submitted.Output);
        Assert.Contains(CommandRun.Weights(_scratch["single"]), submitted.Output);

        string listed = cluster.Run("runs").Output;
        Assert.Matches(@"moons-1 +completed +160 +160 ", listed);
        Assert.All(listed.Split('\n'), line => Assert.InRange(line.Length, 0, 80));
        Assert.Matches(@"160 +8 +.* KiB", cluster.Run("checkpoints", "latest").Output);

        string file = _scratch["got.bpm"];
        Assert.Contains($"{file} written", cluster.Run(
            "download", "moo", "--output", file).Output);
        Assert.Equal(File.ReadAllBytes(_scratch["single/model.bpm"]), File.ReadAllBytes(file));
    }

    [Fact]
    public async Task A_run_is_paused_resumed_and_stopped()
    {
        await using ServedCluster cluster = await ServedCluster.StartAsync();
        string slow = _scratch.Write("slow.conf", Specifications.Moons
            .Replace("every-steps = 20", "every-epochs = 1000")
            .Replace("epochs = 8", "epochs = 1000000"));
        Assert.Contains("'backprop watch moons-1' follows it", cluster.Run("submit", slow).Output);
        await AwaitAsync(cluster, "training");

        Assert.Equal("moons-1 is about to pause\n", cluster.Run("pause", "latest").Output);
        await AwaitAsync(cluster, "paused");
        Assert.Equal("moons-1 goes on\n", cluster.Run("resume", "moons-1").Output);
        await AwaitAsync(cluster, "training");
        Assert.Equal("moons-1 is stopped\n", cluster.Run("stop", "moons-1").Output);
        await AwaitAsync(cluster, "stopped");

        CommandRun over = cluster.Run("resume", "moons-1");
        Assert.Equal(ExitCode.Mistake, over.ExitCode);
        Assert.Contains("run moons-1 is over", over.Error);
        Assert.Equal(ExitCode.Failure, cluster.Run("watch", "moons-1").ExitCode);
    }

    [Fact]
    public async Task Mistakes_are_told_by_whoever_sees_them_first()
    {
        await using ServedCluster cluster = await ServedCluster.StartAsync();
        string bad = _scratch.Write("bad.conf", "name = x\nsed = 1");

        CommandRun run = cluster.Run("submit", bad);
        Assert.Equal(ExitCode.Mistake, run.ExitCode);
        Assert.Contains("bad.conf:2", run.Error);
        Assert.Contains("there is no run 'nothing'", cluster.Run("watch", "nothing").Error);
        Assert.Contains("the cluster has no runs yet", cluster.Run("watch", "latest").Error);
        Assert.Contains("no runs yet", cluster.Run("runs").Output);
    }

    [Theory]
    [InlineData("nonsense", "--server: 'nonsense' is no address of a cluster's API")]
    [InlineData("http://127.0.0.1:1", "no cluster answers at http://127.0.0.1:1/")]
    [InlineData("http://no-such-host.invalid", "no cluster answers at")]
    public void A_server_that_is_not_there_is_named(string server, string message)
    {
        CommandRun run = CommandRun.Of("runs", "--server", server);

        Assert.NotEqual(0, run.ExitCode);
        Assert.Contains(message, run.Error);
        Assert.DoesNotContain("   at ", run.Error);
    }

    [Fact]
    public async Task Something_else_that_answers_is_told_from_a_cluster()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        Task serving = Task.Run(async () =>
        {
            using TcpClient peer = await listener.AcceptTcpClientAsync();
            Assert.NotEqual(0, await peer.GetStream().ReadAsync(new byte[4096]));
            await peer.GetStream().WriteAsync(Encoding.ASCII.GetBytes(
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\n<html"));
        });

        CommandRun run = CommandRun.Of(
            "runs", "--server", $"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}");
        await serving;

        Assert.Equal(ExitCode.Failure, run.ExitCode);
        Assert.Contains("is no cluster's API", run.Error);
    }

    [Fact]
    public async Task The_API_answers_with_problems_and_says_whether_it_is_ready()
    {
        await using ServedCluster cluster = await ServedCluster.StartAsync();
        using var http = new HttpClient { BaseAddress = cluster.Address };

        HttpResponseMessage missing = await http.GetAsync("api/v1/runs/none-1");
        Assert.Equal(HttpStatusCode.NotFound, missing.StatusCode);
        Assert.Equal(
            "application/problem+json", missing.Content.Headers.ContentType!.MediaType);
        using JsonDocument problem =
            JsonDocument.Parse(await missing.Content.ReadAsStringAsync());
        Assert.Equal(
            "there is no run 'none-1'", problem.RootElement.GetProperty("detail").GetString());

        Assert.Equal(
            HttpStatusCode.BadRequest,
            (await http.PostAsync("api/v1/runs", new StringContent(""))).StatusCode);
        Assert.Equal(
            HttpStatusCode.RequestEntityTooLarge,
            (await http.PostAsync(
                "api/v1/runs", new ByteArrayContent(new byte[(1 << 20) + 1]))).StatusCode);
        using JsonDocument nodes =
            JsonDocument.Parse(await http.GetStringAsync("api/v1/cluster"));
        Assert.Equal(3, nodes.RootElement.GetProperty("nodes").GetArrayLength());
    }

    [Fact]
    public async Task A_submission_that_is_repeated_is_one_run()
    {
        await using ServedCluster cluster = await ServedCluster.StartAsync();
        using var http = new HttpClient { BaseAddress = cluster.Address };
        http.DefaultRequestHeaders.Add("Idempotency-Key", "the run of tonight");
        string specification = File.ReadAllText(_moons);

        HttpResponseMessage first = await http.PostAsync(
            "api/v1/runs", new StringContent(specification));
        HttpResponseMessage again = await http.PostAsync(
            "api/v1/runs", new StringContent(specification));
        HttpResponseMessage other = await http.PostAsync(
            "api/v1/runs", new StringContent(specification + "\nseed = 99"));

        Assert.Equal(HttpStatusCode.Created, first.StatusCode);
        Assert.Equal(first.Headers.Location, again.Headers.Location);
        Assert.Equal(HttpStatusCode.Conflict, other.StatusCode);
    }

    private static async Task AwaitAsync(ServedCluster cluster, string standing)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (!cluster.Run("runs").Output.Contains(standing, StringComparison.Ordinal))
        {
            await Task.Delay(20, limit.Token);
        }
    }
}
