using System.Net.Http.Json;
using System.Text.Json;
using Backprop.Chaos.Processes;
using Microsoft.Playwright;

namespace Backprop.Page.Tests;

/// <summary>One browser and one cluster of processes, which all tests of the page share.</summary>
public sealed class PageFixture : IAsyncLifetime
{
    /// <summary>How many workers the cluster starts with.</summary>
    public const int Workers = 2;

    private const string Moons = "hocon/runs/moons.conf";

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    private readonly HttpClient _http = new() { Timeout = s_patience };
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("backprop-page-");

    private IPlaywright? _playwright;
    private ProcessCluster? _cluster;
    private string? _finished;

    /// <summary>The cluster's processes.</summary>
    internal ProcessCluster Cluster => _cluster
        ?? throw new InvalidOperationException("there is no cluster without a browser");

    /// <summary>Where the page is.</summary>
    public Uri Address => Cluster.Api;

    /// <summary>The browser.</summary>
    public IBrowser Browser { get; private set; } = null!;

    /// <inheritdoc/>
    public async Task InitializeAsync()
    {
        if (Chromium.Path is null)
        {
            return;
        }

        _cluster = new ProcessCluster(_directory.FullName);
        await _cluster.UpAsync(Workers, servers: 1);
        _playwright = await Playwright.CreateAsync();
        Browser = await Chromium.LaunchAsync(_playwright);
    }

    /// <summary>A person who opens a view of the page.</summary>
    /// <param name="view">The view, as <see cref="Visit.OpenAsync"/> has it.</param>
    /// <param name="width">Of the window, in pixels.</param>
    /// <param name="scheme">Light or dark.</param>
    public async Task<Visit> VisitAsync(
        string view, int width = 1440, ColorScheme scheme = ColorScheme.Light)
    {
        Visit visit = await VisitAsync(width, scheme);
        await visit.OpenAsync(view);
        return visit;
    }

    /// <summary>A person who comes to the page and has opened nothing yet.</summary>
    /// <param name="width">Of the window, in pixels.</param>
    /// <param name="scheme">Light or dark.</param>
    public async Task<Visit> VisitAsync(
        int width = 1440, ColorScheme scheme = ColorScheme.Light) =>
        await Visit.StartAsync(Browser, Address, width, scheme);

    /// <summary>A run that has been trained to its end.</summary>
    /// <returns>Its name.</returns>
    public async Task<string> FinishedRunAsync()
    {
        if (_finished is null)
        {
            string run = await SubmitAsync(ReadMoons());
            Assert.Contains("epochs are done", await Cluster.WatchAsync(run));
            _finished = run;
        }

        return _finished;
    }

    /// <summary>Hands in a run that trains until it is stopped.</summary>
    public async Task<GoingRun> SubmitLongAsync() => new(
        _http, Address,
        await SubmitAsync(ReadMoons().Replace("epochs = 60", "epochs = 1000000")));

    /// <inheritdoc/>
    public async Task DisposeAsync()
    {
        _http.Dispose();
        if (Browser is not null)
        {
            await Browser.DisposeAsync();
        }

        _playwright?.Dispose();
        _cluster?.Dispose();
        _directory.Delete(recursive: true);
    }

    private static string ReadMoons() =>
        File.ReadAllText(Path.Combine(BackpropProgram.RepositoryRoot, Moons));

    private async Task<string> SubmitAsync(string specification)
    {
        using HttpResponseMessage answer = await _http.PostAsync(
            new Uri(Address, "/api/v1/runs"), new StringContent(specification));
        answer.EnsureSuccessStatusCode();
        JsonElement submitted = await answer.Content.ReadFromJsonAsync<JsonElement>();
        return submitted.GetProperty("id").GetString()!;
    }
}

/// <summary>The tests that share the fixture.</summary>
[CollectionDefinition(Name)]
public sealed class PageTests : ICollectionFixture<PageFixture>
{
    /// <summary>Its name.</summary>
    public const string Name = "page";
}
