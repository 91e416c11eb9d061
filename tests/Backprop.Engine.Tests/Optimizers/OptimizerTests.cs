using Backprop.Engine.Optimizers;
using Backprop.Engine.Randomness;
using Backprop.Engine.Simd;

namespace Backprop.Engine.Tests.Optimizers;

public sealed unsafe class OptimizerTests
{
    private const float Tolerance = 1e-6f;

    public static TheoryData<Optimizer> All =>
    [
        new Sgd { LearningRate = 0.1f },
        new Momentum { LearningRate = 0.1f },
        new Nesterov { LearningRate = 0.1f },
        new Adagrad { LearningRate = 0.1f },
        new RmsProp { LearningRate = 0.01f },
        new Adam { LearningRate = 0.01f },
        new AdamW { LearningRate = 0.01f },
        new Lion { LearningRate = 0.01f, WeightDecay = 0.1 },
    ];

    // One parameter, w = 1, two steps with g = 0.5 and g = −0.25, worked by hand.
    public static TheoryData<Optimizer, double, double> HandWorked => new()
    {
        // 1 − 0.1·0.5; 0.95 + 0.1·0.25
        { new Sgd { LearningRate = 0.1f }, 0.95, 0.975 },

        // v = 0.5, then 0.45 − 0.25 = 0.2
        { new Momentum { LearningRate = 0.1f }, 0.95, 0.93 },

        // 0.5 + 0.9·0.5 = 0.95, then −0.25 + 0.9·0.2 = −0.07
        { new Nesterov { LearningRate = 0.1f }, 0.905, 0.912 },

        // the first step is η·sign(g); then √(0.25 + 0.0625) = 0.5590170
        { new Adagrad { LearningRate = 0.1f }, 0.9, 0.9447213595 },

        // √0.0025 = 0.05, so ten times η; then √(0.002475 + 0.000625) = 0.05567764
        { new RmsProp { LearningRate = 0.01f }, 0.9, 0.9449013325 },

        // the first step is η·sign(g); then m̂ = 0.02 / 0.19, v̂ = 0.00031225 / 0.001999
        { new Adam { LearningRate = 0.1f }, 0.9, 0.8733661 },

        // as Adam, the weight times 1 − 0.1·0.01 before each step
        { new AdamW { LearningRate = 0.1f }, 0.899, 0.8714671 },

        // sign(0.05), then sign(0.9·0.005 − 0.025); (1 − 0.1·0.1) before each
        { new Lion { LearningRate = 0.1f, WeightDecay = 0.1 }, 0.89, 0.9811 },
    };

    [Theory]
    [MemberData(nameof(HandWorked))]
    public void Two_steps_agree_with_those_worked_by_hand(
        Optimizer optimizer, double afterFirst, double afterSecond)
    {
        float weight = 1f;
        float[] state = new float[2], gradients = [0.5f, -0.25f];
        fixed (float* s = state, g = gradients)
        {
            optimizer.Update(new(0, optimizer.LearningRate, 1, true), g, &weight, s, 1, 1, &weight);
            Assert.Equal(afterFirst, weight, Tolerance);
            optimizer.Update(
                new(1, optimizer.LearningRate, 1, true), g + 1, &weight, s, 1, 1, &weight);
        }

        Assert.Equal(afterSecond, weight, Tolerance);
    }

    [Theory]
    [MemberData(nameof(All))]
    public void Every_width_gives_the_same_bits(Optimizer optimizer)
    {
        foreach (int count in (int[])[1, 3, 16, 61, 128])
        {
            (float[] expected, float[] expectedState) = Train(optimizer, SimdWidth.Scalar, count);
            Assert.All(expected, weight => Assert.True(float.IsFinite(weight)));
            foreach (SimdWidth width in SimdWidths.All)
            {
                (float[] weights, float[] state) = Train(optimizer, width, count);
                Assert.Equal(expected.Select(Bits), weights.Select(Bits));
                Assert.Equal(expectedState.Select(Bits), state.Select(Bits));
            }
        }
    }

    [Theory]
    [MemberData(nameof(All))]
    public void A_scaled_gradient_steps_as_the_smaller_gradient_does(Optimizer optimizer)
    {
        float[] small = [0.25f, -0.125f], large = [0.5f, -0.25f];
        Assert.Equal(StepOnce(optimizer, small, 1f), StepOnce(optimizer, large, 0.5f));
    }

    [Theory]
    [MemberData(nameof(All))]
    public void No_gradient_and_no_decay_leave_the_weights(Optimizer optimizer)
    {
        Assert.Equal([2f, 2f], StepOnce(optimizer, [0f, -0f], 1f, decay: false));
    }

    [Fact]
    public void Only_decoupled_decay_obeys_the_step()
    {
        float[] gradient = [0f, 0f];
        Optimizer adam = new AdamW { LearningRate = 0.5f, WeightDecay = 0.5 };
        Optimizer lion = new Lion { LearningRate = 0.5f, WeightDecay = 0.5 };
        Assert.Equal([1.5f, 1.5f], StepOnce(adam, gradient, 1f, decay: true));
        Assert.Equal([1.5f, 1.5f], StepOnce(lion, gradient, 1f, decay: true));
    }

    private static float[] StepOnce(
        Optimizer optimizer, float[] gradient, float scale, bool decay = false)
    {
        float[] weights = [2f, 2f], newWeights = new float[2], state = new float[4];
        fixed (float* g = gradient, w = weights, n = newWeights, s = state)
        {
            optimizer.Update(new(0, optimizer.LearningRate, scale, decay), g, w, s, 2, 2, n);
        }

        Assert.Equal([2f, 2f], weights);
        return newWeights;
    }

    private static (float[] Weights, float[] State) Train(
        Optimizer optimizer, SimdWidth width, int count)
    {
        var random = new RandomStream(7, RandomPurpose.Generation);
        float[] weights = new float[count], gradient = new float[count];
        float[] state = new float[optimizer.StateCount * count];
        for (int step = 0; step < 5; step++)
        {
            for (int i = 0; i < count; i++)
            {
                gradient[i] = random.Uniform((ulong)step, (ulong)i) - 0.5f;
            }

            fixed (float* w = weights, g = gradient, s = state)
            {
                optimizer.Update(
                    width, new OptimizerStep(step, optimizer.LearningRate, 0.75f, step % 2 == 0),
                    new UpdateOperands(g, w, s, count, count, w));
            }
        }

        return (weights, state);
    }

    private static int Bits(float value) => BitConverter.SingleToInt32Bits(value);
}
