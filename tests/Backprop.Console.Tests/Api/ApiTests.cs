using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Backprop.Console.Tests.Commands;

namespace Backprop.Console.Tests.Api;

/// <summary>The HTTP API, as a script uses it.</summary>
public sealed class ApiTests
{
    private const string Wrong = "name = x\nmodel = [ { dense { units = -3 } } ]\nsed = 1";

    [Fact]
    public async Task Lists_come_in_pages_and_only_when_they_have_changed()
    {
        await using ServedCluster cluster = await ServedCluster.StartAsync();
        using HttpClient http = cluster.Client();
        for (int i = 0; i < 3; i++)
        {
            await cluster.AwaitEndAsync(
                http, await cluster.SubmitAsync(http, Specifications.ClusterMoons));
        }

        JsonElement first = await http.GetFromJsonAsync<JsonElement>("api/v1/runs?limit=2");
        Assert.Equal(["moons-3", "moons-2"], Names(first));
        Assert.Equal("moons-2", first.GetProperty("next").GetString());
        JsonElement second =
            await http.GetFromJsonAsync<JsonElement>("api/v1/runs?limit=2&after=moons-2");
        Assert.Equal(["moons-1"], Names(second));
        Assert.Equal(JsonValueKind.Null, second.GetProperty("next").ValueKind);

        HttpResponseMessage known = await http.GetAsync("api/v1/runs/moons-1");
        using var again = new HttpRequestMessage(HttpMethod.Get, "api/v1/runs/moons-1");
        again.Headers.IfNoneMatch.Add(known.Headers.ETag!);
        HttpResponseMessage unchanged = await http.SendAsync(again);
        Assert.Equal(HttpStatusCode.NotModified, unchanged.StatusCode);
        Assert.Equal(
            HttpStatusCode.BadRequest, (await http.GetAsync("api/v1/runs?limit=0")).StatusCode);
    }

    [Fact]
    public async Task Mistakes_of_a_specification_come_with_their_places()
    {
        await using ServedCluster cluster = await ServedCluster.StartAsync();
        using HttpClient http = cluster.Client();

        HttpResponseMessage refused =
            await http.PostAsync("api/v1/runs", new StringContent(Wrong));
        JsonElement problem = await refused.Content.ReadFromJsonAsync<JsonElement>();
        JsonElement verdict = await (await http.PostAsync(
            "api/v1/specifications/validate", new StringContent(Wrong)))
            .Content.ReadFromJsonAsync<JsonElement>();

        Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
        Assert.Equal(
            "application/problem+json", refused.Content.Headers.ContentType!.MediaType);
        Assert.False(verdict.GetProperty("isValid").GetBoolean());
        foreach (JsonElement errors in (JsonElement[])
            [problem.GetProperty("errors"), verdict.GetProperty("errors")])
        {
            JsonElement units = errors.EnumerateArray().Single(
                error => error.GetProperty("path").GetString() == "model[0].dense.units");
            Assert.Equal(2, units.GetProperty("line").GetInt32());
            Assert.Contains(
                errors.EnumerateArray(), error => error.GetProperty("line").GetInt32() == 3);
        }
    }

    [Fact]
    public async Task Every_example_would_be_taken()
    {
        await using ServedCluster cluster = await ServedCluster.StartAsync();
        using HttpClient http = cluster.Client();

        JsonElement examples =
            await http.GetFromJsonAsync<JsonElement>("api/v1/specifications/examples");

        Assert.Contains(
            examples.EnumerateArray(),
            example => example.GetProperty("name").GetString() == "digits");
        foreach (JsonElement example in examples.EnumerateArray())
        {
            string text = example.GetProperty("text").GetString()!;
            HttpResponseMessage verdict = await http.PostAsync(
                "api/v1/specifications/validate", new StringContent(text));
            Assert.Contains("\"isValid\":true", await verdict.Content.ReadAsStringAsync());
        }
    }

    [Fact]
    public async Task A_run_is_shown_with_its_curves_its_specification_and_predicts()
    {
        await using ServedCluster cluster = await ServedCluster.StartAsync();
        using HttpClient http = cluster.Client();
        string run = await cluster.SubmitAsync(http, Specifications.ClusterMoons);
        await cluster.AwaitEndAsync(http, run);

        Assert.Equal(
            Specifications.ClusterMoons,
            await http.GetStringAsync($"api/v1/runs/{run}/specification"));

        JsonElement all =
            await http.GetFromJsonAsync<JsonElement>($"api/v1/runs/{run}/curves");
        Assert.Equal(160, all.GetProperty("end").GetInt64());
        foreach (string column in (string[])
            ["step", "steps", "lossMin", "lossMean", "lossMax", "gradientNorm", "learningRate",
                "stepSeconds"])
        {
            Assert.Equal(160, all.GetProperty(column).GetArrayLength());
        }

        Assert.Equal(2, all.GetProperty("layers").GetArrayLength());
        Assert.Equal(160, all.GetProperty("layerNorms")[1].GetArrayLength());
        JsonElement part = await http.GetFromJsonAsync<JsonElement>(
            $"api/v1/runs/{run}/curves?points=10&from=40&to=60");
        Assert.Equal(40, part.GetProperty("step")[0].GetInt64());
        Assert.Equal(10, part.GetProperty("step").GetArrayLength());
        Assert.Equal(2, part.GetProperty("steps")[9].GetInt64());
        Assert.Equal(
            HttpStatusCode.BadRequest,
            (await http.GetAsync($"api/v1/runs/{run}/curves?points=3")).StatusCode);

        JsonElement input =
            await http.GetFromJsonAsync<JsonElement>($"api/v1/runs/{run}/predict");
        Assert.Equal("[2]", input.GetProperty("shape").ToString());
        JsonElement upper = await PredictAsync(http, run, [0.0, 1.0]);
        JsonElement lower = await PredictAsync(http, run, [1.0, -0.5]);
        Assert.NotEqual(
            upper.GetProperty("class").GetString(), lower.GetProperty("class").GetString());
        Assert.Equal(
            1, upper.GetProperty("values").EnumerateArray()
                .Sum(value => value.GetProperty("value").GetDouble()), 6);
        HttpResponseMessage wrong = await http.PostAsJsonAsync(
            $"api/v1/runs/{run}/predict", new { features = new[] { 1.0 } });
        Assert.Equal(HttpStatusCode.BadRequest, wrong.StatusCode);
        Assert.Contains("the network takes 2", await wrong.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task A_row_of_a_table_is_predicted_from_as_it_stands()
    {
        await using ServedCluster cluster = await ServedCluster.StartAsync();
        using HttpClient http = cluster.Client();
        string run = await cluster.SubmitAsync(
            http, Specifications.Iris("softmax-cross-entropy"));
        await cluster.AwaitEndAsync(http, run);
        string[] table = File.ReadAllLines("data/tables/iris.csv");
        string row = table[1][..table[1].LastIndexOf(',')];
        string head = table[0][..table[0].LastIndexOf(',')];

        HttpResponseMessage answer = await http.PostAsJsonAsync(
            $"api/v1/runs/{run}/predict", new { csv = $"{head}\n{row}\n" });

        JsonElement predicted = await answer.Content.ReadFromJsonAsync<JsonElement>();
        Assert.Equal(
            table[1][(table[1].LastIndexOf(',') + 1)..],
            predicted.GetProperty("class").GetString());
        HttpResponseMessage wrong = await http.PostAsJsonAsync(
            $"api/v1/runs/{run}/predict", new { csv = "what\nis,this" });
        Assert.Equal(HttpStatusCode.BadRequest, wrong.StatusCode);
        Assert.DoesNotContain(
            Path.GetTempPath() + "backprop", await wrong.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task Named_outputs_are_predicted_each_by_its_name()
    {
        await using ServedCluster cluster = await ServedCluster.StartAsync();
        using HttpClient http = cluster.Client();
        string run = await cluster.SubmitAsync(http, Specifications.ClusterMoons.Replace(
            "loss = softmax-cross-entropy",
            """
            model += { output { name = side, layers = [ { dense = 2 } ] } }
            loss { outputs { side { loss = softmax-cross-entropy, weight = 2 } } }
            """));
        await cluster.AwaitEndAsync(http, run);
        JsonElement input =
            await http.GetFromJsonAsync<JsonElement>($"api/v1/runs/{run}/predict");
        Assert.Equal(
            2, input.GetProperty("outputs").GetProperty("side").GetArrayLength());
        JsonElement predicted = await PredictAsync(http, run, [0.0, 1.0]);
        JsonElement side = predicted.GetProperty("outputs").GetProperty("side");
        Assert.NotNull(side.GetProperty("class").GetString());
        Assert.Equal(
            1, side.GetProperty("values").EnumerateArray()
                .Sum(value => value.GetProperty("value").GetDouble()), 6);
    }

    /// <summary>Whoever changes the API says so: <c>UPDATE_OPENAPI=1</c> writes it anew.</summary>
    [Fact]
    public async Task The_description_is_the_one_that_is_checked_in()
    {
        await using ServedCluster cluster = await ServedCluster.StartAsync();
        using HttpClient http = cluster.Client();
        string file = Path.Combine(CommandRun.Root, "docs", "openapi.json");

        string served = await http.GetStringAsync("api/v1/openapi.json");
        if (Environment.GetEnvironmentVariable("UPDATE_OPENAPI") == "1")
        {
            await File.WriteAllTextAsync(file, served.TrimEnd() + "\n");
        }

        Assert.Equal(await File.ReadAllTextAsync(file), served.TrimEnd() + "\n");
    }

    private static string[] Names(JsonElement page) =>
    [
        .. page.GetProperty("runs").EnumerateArray()
            .Select(run => run.GetProperty("id").GetString()!),
    ];

    private static async Task<JsonElement> PredictAsync(
        HttpClient http, string run, double[] features) =>
        await (await http.PostAsJsonAsync($"api/v1/runs/{run}/predict", new { features }))
            .EnsureSuccessStatusCode().Content.ReadFromJsonAsync<JsonElement>();
}
