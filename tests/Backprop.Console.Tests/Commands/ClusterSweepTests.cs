using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Backprop.Console.Tests.Commands;

/// <summary>Sweeps that a cluster trains by itself, as commands and scripts ask for them.</summary>
public sealed partial class ClusterSweepTests : IDisposable
{
    private const string Halving = """
        name = halves
        run = xor.conf
        seed = 5
        parameters = [
          { key = optimizer.adam.learning-rate, log-uniform = [1e-4, 0.3] }
          { key = "model[0].dense.units", integers = [2, 9] }
        ]
        search { halving { trials = 6, reduction = 3, first-epochs = 5 } }
        """;

    private const string Grid = """
        name = long
        run = long.conf
        parameters = [ { key = optimizer.adam.learning-rate, values = [0.1, 0.2] } ]
        search = grid
        """;

    private static readonly string s_run = XorRun.Of(epochs: 20, "seed = 3");

    private readonly ScratchDirectory _scratch = new();
    private readonly string _halving;
    private readonly string _long;

    public ClusterSweepTests()
    {
        _scratch.Write("xor.conf", s_run);
        _scratch.Write("long.conf", XorRun.Of(epochs: 1_000_000, "seed = 3"));
        _halving = _scratch.Write("halves.conf", Halving);
        _long = _scratch.Write("long-sweep.conf", Grid);
    }

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task A_cluster_comes_to_what_this_process_comes_to_and_the_same_command_finds_it()
    {
        await using ServedCluster cluster = await ServedCluster.StartAsync();
        JsonElement alone = Json(CommandRun.Succeeds(
            "sweep", _halving, "--output", _scratch["alone"], "--json"));

        CommandRun first = cluster.Run("sweep", _halving, "--output", _scratch["cluster"]);
        Assert.Equal((0, ""), (first.ExitCode, first.Error));
        string[] lines = first.Output.Split('\n');
        Assert.Equal(
            ["submitted: halves-1", "round 1 of 3: 6 trials, 5 epochs"], lines[..2]);
        Assert.Contains("round 3 of 3: 1 trial, 20 epochs", lines);
        Assert.Equal(9, lines.Count(line => Trial().IsMatch(line)));
        Assert.All(lines[..^2], line => Assert.InRange(line.Length, 0, 80));

        JsonElement again = Json(cluster.Run(
            "sweep", _halving, "--output", _scratch["cluster"], "--json"));
        Assert.Equal($"{alone.GetProperty("trials")}", $"{again.GetProperty("trials")}");
        Assert.Equal(
            alone.GetProperty("best").GetInt32(), again.GetProperty("best").GetInt32());
        Assert.Equal(
            File.ReadAllText(_scratch["alone/best.conf"]),
            File.ReadAllText(_scratch["cluster/best.conf"]));

        Assert.Matches("halves-1 +completed +3 +3 +1 +1 ", cluster.Run("sweeps", "list").Output);
        using HttpClient http = cluster.Client();
        JsonElement runs = await http.GetFromJsonAsync<JsonElement>("api/v1/runs");
        Assert.Equal(9, runs.GetProperty("runs").GetArrayLength());
        JsonElement shown = Json(cluster.Run("sweeps", "show", "halves", "--json"));
        Assert.Equal(
            File.ReadAllText(_scratch["alone/best.conf"]),
            shown.GetProperty("bestRun").GetString());
        Assert.Equal(
            alone.GetProperty("trials")[0].GetProperty("weightsSha256").GetString(),
            shown.GetProperty("ranked")[0].GetProperty("weightsSha256").GetString());
    }

    [Fact]
    public async Task Whoever_goes_away_leaves_it_to_the_cluster_until_it_is_stopped()
    {
        await using ServedCluster cluster = await ServedCluster.StartAsync();
        Assert.Equal(
            "submitted: long-1\n'backprop sweeps show long-1' shows how far it is\n",
            cluster.Run("sweep", _long, "--detach").Output);
        await AwaitAsync(cluster, "runs", "\"standing\":\"training\"");

        var interruption = new Interruption();
        Task<CommandRun> following = Task.Run(() => CommandRun.With(
            new Surroundings { Interruption = interruption },
            "sweep", _long, "--output", _scratch["out"], "--server", $"{cluster.Address}"));
        while (!Directory.Exists(_scratch["out"]) && !following.IsCompleted)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(20));
        }

        interruption.Request();
        CommandRun left = await following;
        Assert.Equal(ExitCode.Interrupted, left.ExitCode);
        Assert.Contains("the cluster goes on with long-1, and the same command", left.Error);
        Assert.Matches("long-1 +training +1 +1 +0 +2 ", cluster.Run("sweeps", "list").Output);

        Assert.Equal(
            "long-1 is stopped, and its runs with it\n",
            cluster.Run("sweeps", "stop", "latest").Output);
        await AwaitAsync(cluster, "sweeps", "\"standing\":\"stopped\"");
        Assert.DoesNotMatch("training|queued|opening", cluster.Run("runs").Output);
        CommandRun twice = cluster.Run("sweeps", "stop", "long-1");
        Assert.Equal(ExitCode.Mistake, twice.ExitCode);
        Assert.Contains("sweep long-1 is over: the user has stopped it", twice.Error);

        // One that was stopped begins anew.
        Assert.StartsWith("submitted: long-2", cluster.Run("sweep", _long, "--detach").Output);
        cluster.Run("sweeps", "stop", "long-2");
    }

    [Fact]
    public async Task Mistakes_are_told_before_anything_is_submitted()
    {
        await using ServedCluster cluster = await ServedCluster.StartAsync();
        _scratch.Write("steps.conf", XorRun.Of(5, "checkpoint { every-steps = 5 }"));
        CommandRun run = cluster.Run(
            "sweep",
            _scratch.Write("bad.conf", Grid.Replace("long.conf", "steps.conf")));
        Assert.Equal(ExitCode.Mistake, run.ExitCode);
        Assert.Contains("a cluster counts checkpoints in epochs or time", run.Error);
        Assert.Contains("steps.conf:", run.Error);
        CommandRun.Fails(
            ExitCode.Mistake, "--server says to which", "sweep", _halving, "--detach");

        Assert.Contains("no sweeps yet", cluster.Run("sweeps", "list").Output);
        Assert.Contains(
            "there is no sweep 'nothing'; 'backprop sweeps list' lists them",
            cluster.Run("sweeps", "show", "nothing").Error);
        Assert.Contains("no runs yet", cluster.Run("runs").Output);
    }

    [Fact]
    public async Task The_API_refuses_as_it_does_for_runs()
    {
        await using ServedCluster cluster = await ServedCluster.StartAsync();
        using HttpClient http = cluster.Client();

        Assert.Equal(
            HttpStatusCode.NotFound, (await http.GetAsync("api/v1/sweeps/none-1")).StatusCode);
        Assert.Equal(
            HttpStatusCode.NotFound,
            (await http.PostAsync("api/v1/sweeps/none-1/stop", null)).StatusCode);
        (HttpStatusCode status, JsonElement problem) =
            await SubmitAsync(http, "key", new { specification = Halving });
        Assert.Equal(HttpStatusCode.BadRequest, status);
        Assert.Contains("a sweep has two texts", problem.GetProperty("detail").GetString());

        string wide = Halving.Replace("integers = [2, 9]", "values = [2, wide]");
        (status, problem) =
            await SubmitAsync(http, "key", new { specification = wide, run = s_run });
        Assert.Equal(HttpStatusCode.BadRequest, status);
        JsonElement error = problem.GetProperty("errors")[0];
        Assert.Equal("model[0].dense.units", error.GetProperty("path").GetString());
        Assert.Equal(6, error.GetProperty("line").GetInt32());

        object sweep = new { specification = Halving, run = s_run };
        (status, JsonElement first) = await SubmitAsync(http, "key", sweep);
        Assert.Equal(HttpStatusCode.Created, status);
        (status, JsonElement again) = await SubmitAsync(http, "key", sweep);
        Assert.Equal((HttpStatusCode.Created, $"{first}"), (status, $"{again}"));
        (status, problem) = await SubmitAsync(
            http, "key", new { specification = Halving.Replace("5", "7"), run = s_run });
        Assert.Equal(HttpStatusCode.Conflict, status);
        Assert.Contains("halves-1, which has another", problem.GetProperty("detail").GetString());
        Assert.Equal(
            HttpStatusCode.NoContent,
            (await http.PostAsync("api/v1/sweeps/halves-1/stop", null)).StatusCode);
    }

    [GeneratedRegex("^[0-9]/[0-9]: trial ")]
    private static partial Regex Trial();

    private static async Task<(HttpStatusCode Status, JsonElement Body)> SubmitAsync(
        HttpClient http, string key, object sweep)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "api/v1/sweeps")
        {
            Headers = { { "Idempotency-Key", key } },
            Content = JsonContent.Create(sweep),
        };
        HttpResponseMessage answer = await http.SendAsync(request);
        return (answer.StatusCode, await answer.Content.ReadFromJsonAsync<JsonElement>());
    }

    private static JsonElement Json(CommandRun run)
    {
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        using var document = JsonDocument.Parse(run.Output);
        return document.RootElement.Clone();
    }

    private static async Task AwaitAsync(ServedCluster cluster, string list, string text)
    {
        using HttpClient http = cluster.Client();
        while (!(await http.GetStringAsync($"api/v1/{list}")).Contains(text))
        {
            await Task.Delay(TimeSpan.FromMilliseconds(100));
        }
    }
}
