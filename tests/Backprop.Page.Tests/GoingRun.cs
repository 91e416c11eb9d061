using System.Net;

namespace Backprop.Page.Tests;

/// <summary>A run that trains until it is stopped; at the latest when its test is over, however
/// that ends, so that the next test has the workers.</summary>
public sealed class GoingRun(HttpClient http, Uri address, string id) : IAsyncDisposable
{
    /// <summary>Its name.</summary>
    public string Id => id;

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        using HttpResponseMessage answer = await http.PostAsync(
            new Uri(address, $"/api/v1/runs/{id}/stop"), content: null);

        // A test may have stopped it.
        if (answer.StatusCode != HttpStatusCode.Conflict)
        {
            answer.EnsureSuccessStatusCode();
        }
    }
}
