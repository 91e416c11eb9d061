using System.Collections.Concurrent;
using Microsoft.Playwright;

namespace Backprop.Page.Tests;

/// <summary>A person with a browser of their own who opens the page, and everything that the page
/// has asked for and complained of meanwhile.</summary>
public sealed class Visit : IAsyncDisposable
{
    private const int Height = 900;
    private const float PatienceMs = 60_000;

    private readonly IBrowserContext _context;
    private readonly Uri _address;
    private readonly ConcurrentQueue<string> _requests = new();
    private readonly ConcurrentQueue<string> _complaints = new();

    private Visit(IBrowserContext context, IPage page, Uri address)
    {
        _context = context;
        _address = address;
        Page = page;
        page.Request += (_, request) => _requests.Enqueue(request.Url);
        page.Console += (_, message) =>
        {
            if (message.Type is "error" or "warning")
            {
                _complaints.Enqueue($"{message.Text} ({message.Location})");
            }
        };
        page.PageError += (_, error) => _complaints.Enqueue(error);
    }

    /// <summary>The tab.</summary>
    public IPage Page { get; }

    /// <summary>The addresses of all that was asked for.</summary>
    public IReadOnlyCollection<string> Requests => _requests;

    /// <summary>Opens a browser context of its own, still empty.</summary>
    public static async Task<Visit> StartAsync(
        IBrowser browser, Uri address, int width, ColorScheme scheme)
    {
        IBrowserContext context = await browser.NewContextAsync(new BrowserNewContextOptions
        {
            ColorScheme = scheme,
            ViewportSize = new ViewportSize { Width = width, Height = Height },
            ReducedMotion = ReducedMotion.Reduce,
        });
        context.SetDefaultTimeout(PatienceMs);
        Assertions.SetDefaultExpectTimeout(PatienceMs);
        return new Visit(context, await context.NewPageAsync(), address);
    }

    /// <summary>Opens a view by its place after the <c>#</c>, and waits for its heading.</summary>
    public async Task OpenAsync(string view)
    {
        await Page.GotoAsync(new Uri(_address, $"/#/{view}").ToString());
        await Assertions.Expect(Page.Locator("main h1")).ToBeVisibleAsync();
    }

    /// <summary>The page has asked nobody else, and found nothing wrong with itself.</summary>
    public void AssertQuiet()
    {
        Assert.Empty(_complaints);
        Assert.All(_requests, url => Assert.True(
            url.StartsWith(_address.ToString(), StringComparison.Ordinal)
                || url.StartsWith("data:", StringComparison.Ordinal),
            url));
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync() => await _context.DisposeAsync();
}
