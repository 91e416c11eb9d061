namespace Backprop.Console.Tests;

/// <summary>Runs that are over in a moment.</summary>
internal static class Specifications
{
    /// <summary>Two half moons: 160 steps of 20 an epoch, a checkpoint every 20 steps.</summary>
    public const string Moons = """
        name = moons
        seed = 3
        data { train { generated { moons { samples = 200, noise = 0.1, seed = 1 } } } }
        model = [ { dense { units = 8, activation = tanh } }, { dense { units = 2 } } ]
        loss = softmax-cross-entropy
        optimizer { adam { learning-rate = 0.01 } }
        batch-size = 10, micro-batches = 2, epochs = 8
        checkpoint { every-steps = 20 }
        """;

    /// <summary>The same, as a cluster takes it.</summary>
    public static string ClusterMoons { get; } =
        Moons.Replace("every-steps = 20", "every-epochs = 1");

    /// <summary>Irises by a network of one layer; the loss is to be filled in.</summary>
    public static string Iris(string loss, string file = "data/tables/iris.csv") => $$"""
        name = iris
        seed = 7
        data {
          train { csv { files = "{{file}}", target { class { column = class } } } }
          normalize = standard
        }
        model = [ { dense { units = 3 } } ]
        loss = {{loss}}
        optimizer { adam { learning-rate = 0.05 } }
        batch-size = 15, micro-batches = 3, epochs = 60
        """;
}
