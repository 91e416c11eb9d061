namespace Backprop.Tests.Shared;

/// <summary>A run that sweeps vary: exclusive or, by a network with one hidden layer.</summary>
internal static class XorRun
{
    /// <summary>The text of its specification.</summary>
    /// <param name="epochs">Epochs.</param>
    /// <param name="more">Further keys.</param>
    public static string Of(int epochs, string more) => $$"""
        name = xor
        {{more}}
        data { train { inline {
          features = [[0, 0], [0, 1], [1, 0], [1, 1]], targets = [0, 1, 1, 0]
        } } }
        model = [
          { dense { units = 4, activation = tanh } }
          { dense { units = 1 } }
        ]
        loss = mean-squared-error
        optimizer { adam { learning-rate = 0.1 } }
        batch-size = 4, micro-batches = 2, epochs = {{epochs}}
        """;
}
