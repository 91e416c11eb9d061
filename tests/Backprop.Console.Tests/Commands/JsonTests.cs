using System.Text.Json;

namespace Backprop.Console.Tests.Commands;

/// <summary>What programs get of commands.</summary>
public sealed class JsonTests : IDisposable
{
    private const string TwoTwoTwo = "hocon/runs/articles/two-two-two.conf";

    private readonly ScratchDirectory _scratch = new();
    private readonly string _moons;

    public JsonTests() => _moons = _scratch.Write(
        "moons.conf", Specifications.Moons.Replace("every-steps = 20", "every-epochs = 1"));

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public void Training_is_told_event_by_event_and_ends_with_all_there_is()
    {
        JsonElement[] events = Lines(
            CommandRun.Succeeds("train", _moons, "--output", _scratch["run"], "--json"));

        JsonElement end = events[^1].GetProperty("data");
        Assert.Equal("end", Kind(events[^1]));
        string[] before = ["epoch", "progress"];
        Assert.All(events[..^1], one => Assert.Contains(Kind(one), before));
        JsonElement summary = end.GetProperty("summary");
        Assert.Equal(CommandRun.Weights(_scratch["run"]), Text(summary, "weightsSha256"));
        Assert.Equal(8, summary.GetProperty("history").GetArrayLength());
        Assert.Equal(JsonValueKind.Null, end.GetProperty("resume").ValueKind);

        string model = Text(end, "model");
        JsonElement judged = Document("evaluate", model, "--json");
        Assert.True(judged.GetProperty("metrics").GetProperty("loss").GetDouble() > 0);
        JsonElement replayed = Document("replay", _scratch["run"], "--step", "3", "--json");
        Assert.Equal(1, replayed.GetProperty("same").GetInt32());
        Assert.False(replayed.GetProperty("steps")[0].GetProperty("differs").GetBoolean());
    }

    [Fact]
    public void What_is_shown_of_a_specification_is_a_document()
    {
        JsonElement described = Document("describe", _moons, "--json");
        Assert.Equal(160, described.GetProperty("totalSteps").GetInt64());
        Assert.True(Document("gradcheck", _moons, "--json").GetProperty("agrees").GetBoolean());
        JsonElement found = Document("lr-find", _moons, "--steps", "40", "--json");
        Assert.True(found.GetProperty("suggestion").GetDouble() > 0);
        Assert.True(found.GetProperty("points").GetArrayLength() > 10);
        JsonElement explained = Document("explain", TwoTwoTwo, "--json");
        Assert.Equal(2, explained.GetProperty("layers").GetArrayLength());
        Assert.Equal(
            3, Document("simulate", "--seeds", "1..3", "--json").GetProperty("seeds").GetInt32());
        Assert.Equal("zsh", Text(Document("completion", "zsh", "--json"), "shell"));
        Assert.Equal(
            0, Document("cluster", "down", "--state", _scratch["none"], "--json")
                .GetProperty("ended").GetInt32());
    }

    [Fact]
    public void A_token_is_in_the_document_that_makes_it_and_in_no_other()
    {
        JsonElement made = Document(
            "token", "create", "--role", "viewer", "--state", _scratch.Path, "--json");
        Assert.StartsWith("bp_", Text(made, "token"));
        string id = Text(made, "id");

        JsonElement listed = Document("token", "list", "--state", _scratch.Path, "--json");
        Assert.Equal(id, Text(listed[0], "id"));
        Assert.False(listed[0].TryGetProperty("token", out _));
        Assert.Equal(
            id, Text(Document("token", "revoke", id, "--state", _scratch.Path, "--json"), "id"));
    }

    [Fact]
    public void A_mistake_is_text_and_leaves_the_output_to_documents()
    {
        CommandRun run = CommandRun.Of("describe", _scratch["nothing.conf"], "--json");

        Assert.Equal((ExitCode.Mistake, ""), (run.ExitCode, run.Output));
        Assert.StartsWith("backprop: ", run.Error);
    }

    [Fact]
    public async Task What_is_asked_of_a_cluster_is_answered_as_its_API_does()
    {
        await using ServedCluster cluster = await ServedCluster.StartAsync();

        JsonElement[] followed = Lines(cluster.Run("submit", _moons, "--watch", "--json"));
        Assert.Equal("submitted", Kind(followed[0]));
        Assert.Equal("moons-1", Text(followed[0].GetProperty("data"), "id"));
        Assert.Equal("end", Kind(followed[^1]));
        Assert.Equal(8, followed.Count(one => Kind(one) == "epoch"));
        string id = Text(followed.Last(one => Kind(one) == "epoch"), "id");
        Assert.Matches(@"^8-\d+-\d+$", id);

        JsonElement[] watched = Lines(cluster.Run("watch", "latest", "--json"));
        Assert.Equal("run", Kind(watched[0]));
        JsonElement run = Parse(cluster.Run("runs", "--json")).GetProperty("runs")[0];
        Assert.Equal("completed", Text(run, "standing"));
        JsonElement checkpoint = Parse(cluster.Run("checkpoints", "moons-1", "--json"))[0];
        Assert.Equal(160, checkpoint.GetProperty("version").GetInt64());
        JsonElement status = Parse(cluster.Run("cluster", "status", "--json"));
        Assert.Equal(3, status.GetProperty("cluster").GetProperty("nodes").GetArrayLength());
        JsonElement got = Parse(cluster.Run(
            "download", "moons-1", "--output", _scratch["got.bpm"], "--json"));
        Assert.Equal(64, Text(got, "sha256").Length);
        JsonElement second = Parse(cluster.Run("submit", _moons, "--json"));
        Assert.Equal("moons-2", Text(second, "id"));
        Assert.Equal(
            "stop", Text(Parse(cluster.Run("stop", "moons-2", "--json")), "control"));
    }

    private static JsonElement Document(params string[] arguments) =>
        Parse(CommandRun.Succeeds(arguments));

    // One document, and nothing beside it.
    private static JsonElement Parse(CommandRun run) => Assert.Single(Lines(run));

    private static JsonElement[] Lines(CommandRun run)
    {
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        return
        [
            .. run.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries)
                .Select(line => JsonDocument.Parse(line).RootElement.Clone()),
        ];
    }

    private static string Kind(JsonElement line) => Text(line, "event");

    private static string Text(JsonElement element, string name) =>
        element.GetProperty(name).GetString()!;
}
