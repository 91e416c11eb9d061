using System.Diagnostics;
using System.Net.Http.Json;
using System.Text.Json;
using Akka.Actor;
using Akka.Configuration;
using Backprop.Chaos.Processes;
using Backprop.Distributed.Persistence;
using Backprop.Distributed.Serialization;
using Backprop.Training.Curves;
using Backprop.Training.Protocol;
using Microsoft.Playwright;
using Xunit.Abstractions;
using static Microsoft.Playwright.Assertions;

namespace Backprop.Page.Tests;

/// <summary>A run of a million steps, opened by a page from a real cluster. Its steps were not
/// computed: what a parameter server would tell of them was recorded, thinned and stored as it
/// always is.</summary>
public sealed class LongRunTests(ITestOutputHelper output) : IDisposable
{
    private const long Steps = 1_000_000;
    private const int Layers = 3;
    private const int Openings = 7;

    // Asked by the page itself before each frame that it draws: an expectation is looked at again
    // after a tenth, a quarter, a half and a whole second only, which would be most of the time.
    private const string LossIsDrawn =
        "() => [...document.querySelectorAll('[role=img]')].some(one =>"
        + " /^Loss by step.*999,\\d{3}/.test(one.getAttribute('aria-label') ?? ''))";

    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(2);

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("backprop-long-");
    private readonly HttpClient _http = new() { Timeout = s_patience };

    [SkippableFact]
    public async Task A_run_of_a_million_steps_is_shown_whole()
    {
        Chromium.Require();
        using var cluster = new ProcessCluster(_directory.FullName);
        await cluster.UpAsync(workers: 1, servers: 1);
        string run = await BeginAndPauseAsync(cluster.Api);
        await cluster.DownAsync();
        await StoreAsync(new RunId(run));
        await cluster.UpAsync(workers: 1, servers: 1);

        using IPlaywright playwright = await Playwright.CreateAsync();
        await using IBrowser browser = await Chromium.LaunchAsync(playwright);
        for (int i = 0; i < Openings; i++)
        {
            await using Visit visit = await Visit.StartAsync(
                browser, cluster.Api, width: 1440, ColorScheme.Light);
            long began = Stopwatch.GetTimestamp();
            await visit.Page.GotoAsync(
                new Uri(cluster.Api, $"/#/runs/{run}").ToString(),
                new() { WaitUntil = WaitUntilState.Commit });
            await visit.Page.WaitForFunctionAsync(LossIsDrawn);
            output.WriteLine(
                $"opened in {Stopwatch.GetElapsedTime(began).TotalMilliseconds:F0} ms");
            await Expect(visit.Page.GetByRole(
                AriaRole.Img, new() { NameRegex = new("^Loss by step.*999,\\d{3}") }))
                .ToBeVisibleAsync();
            visit.AssertQuiet();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _http.Dispose();
        _directory.Delete(recursive: true);
    }

    private async Task<string> BeginAndPauseAsync(Uri api)
    {
        string moons = await File.ReadAllTextAsync(
            Path.Combine(BackpropProgram.RepositoryRoot, "hocon/runs/moons.conf"));
        using HttpResponseMessage answer = await _http.PostAsync(
            new Uri(api, "/api/v1/runs"),
            new StringContent(moons.Replace("epochs = 60", "epochs = 1000000")));
        JsonElement submitted = await answer.EnsureSuccessStatusCode()
            .Content.ReadFromJsonAsync<JsonElement>();
        string run = submitted.GetProperty("id").GetString()!;
        var place = new Uri(api, $"/api/v1/runs/{run}");
        await AwaitStandingAsync(place, "training");
        using HttpResponseMessage paused = await _http.PostAsync($"{place}/pause", content: null);
        paused.EnsureSuccessStatusCode();
        await AwaitStandingAsync(place, "paused");
        return run;
    }

    private async Task AwaitStandingAsync(Uri run, string standing)
    {
        using var limit = new CancellationTokenSource(s_patience);
        while ((await _http.GetFromJsonAsync<JsonElement>(run, limit.Token))
            .GetProperty("summary").GetProperty("standing").GetString() != standing)
        {
            await Task.Delay(100, limit.Token);
        }
    }

    private async Task StoreAsync(RunId run)
    {
        const string Quiet = "akka.loglevel = OFF, akka.stdout-loglevel = OFF";
        using ActorSystem system = ActorSystem.Create(
            "long", ConfigurationFactory.ParseString(Quiet)
                .WithFallback(SerializationConfiguration.Config)
                .WithFallback(PersistenceConfiguration.ToAkka(
                    new PersistenceOptions.Sqlite(_directory.FullName))));
        var stored = new StoredCurves(system, StoragePatience.Default, TimeProvider.System);
        CurveRecord record = Recorded();
        foreach (long chunk in record.Unsaved.ToArray())
        {
            await stored.SaveAsync(run, chunk, record.TakeToSave(chunk), CancellationToken.None);
        }

        await system.Terminate();
    }

    // As the first parameter server tells them, and the coordinator takes them.
    private static CurveRecord Recorded()
    {
        var recorder = new CurveRecorder(Layers);
        var record = new CurveRecord(Layers);
        for (long step = 0; step < Steps; step++)
        {
            double wave = Math.Sin(step * 0.37) * Math.Cos(step * 0.0011);
            double loss = (0.3 * Math.Exp(-step / 3e5)) + (0.02 * (1 + wave));
            recorder.Enter(
                step, loss, 0.1 + loss, 0.01f, TimeSpan.FromMilliseconds(1 + (0.2 * wave)),
                [loss, loss / 2, loss / 3]);
            bool isLast = step == Steps - 1;
            if ((isLast || step % 1_000 == 999)
                && recorder.TryReport(
                    TimeSpan.FromMilliseconds(step), TimeSpan.Zero, isLast,
                    out CurveSegment? segment))
            {
                record.Enter(segment);
                recorder.Taken(record.EndStep);
            }
        }

        return record;
    }
}
